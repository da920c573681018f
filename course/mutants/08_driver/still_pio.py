"""The old driver: the storm goes on.

check: driver: few exits
where: DRIVER: read_sectors
"""

from vlab.labs import driver

DRIVER = driver.PIO
