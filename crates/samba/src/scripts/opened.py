"""The beginning of all other scripts here: opens a directory with Samba's own libraries.

Their first arguments are the configuration (smb.conf) and the folder of the databases (private).
"""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB


def configuration(smb_conf, private):
    """The configuration, of the databases in this folder."""
    lp = LoadParm()
    lp.load(smb_conf)
    lp.set("private dir", private)
    return lp


def opened(smb_conf, private):
    """The directory, as the system itself has it; nothing is made that is not there."""
    return SamDB(
        url=private + "/sam.ldb", session_info=system_session(),
        lp=configuration(smb_conf, private), flags=ldb.FLG_DONT_CREATE_DB)


