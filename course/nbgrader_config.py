"""Settings of nbgrader for the labs: run its commands in this directory.

pip install -c ../constraints.txt -e '..[instructor]'
nbgrader generate_assignment 01_csr
nbgrader autograde 01_csr
nbgrader generate_feedback 01_csr
"""

c = get_config()  # noqa: F821  (given by nbgrader)

c.CourseDirectory.course_id = "vlab"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.ExecutePreprocessor.timeout = 120
