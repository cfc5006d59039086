"""Changes a provisioned directory: users, groups, links that come and go, moves, deletions.

change.py SMB_CONF SAM_LDB"""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

settings = LoadParm()
settings.load(sys.argv[1])
directory = SamDB(url=sys.argv[2], session_info=system_session(), lp=settings)
base = directory.domain_dn()

directory.create_ou(f"OU=Zürich\\, External,{base}")
for number in range(30):
    directory.newuser(
        f"user{number}", "Passw0rd-lab", surname=f"Møller {number}", givenname="Zoë",
        mailaddress=f"user{number}@lab.example",
        description="a, b\\c" if number % 2 else "x" * 1000,
        userou="OU=Zürich\\, External" if number % 3 else None,
    )
for name in "inner", "outer", "emptied":
    directory.newgroup(name)
users = [f"user{number}" for number in range(20)]
directory.add_remove_group_members("inner", users, add_members_operation=True)
directory.add_remove_group_members("outer", ["inner", "user25"], add_members_operation=True)
directory.add_remove_group_members("emptied", users, add_members_operation=True)
directory.add_remove_group_members("emptied", users, add_members_operation=False)
directory.add_remove_group_members("emptied", users[:1], add_members_operation=True)


def dn_of(account):
    return directory.search(base, expression=f"(sAMAccountName={account})", attrs=[])[0].dn


for number in range(1, 10):
    change = ldb.Message(dn_of(f"user{number}"))
    change["manager"] = ldb.MessageElement(
        str(dn_of(f"user{number - 1}")), ldb.FLAG_MOD_REPLACE, "manager")
    change["jpegPhoto"] = ldb.MessageElement(
        bytes(range(256)) * number, ldb.FLAG_MOD_REPLACE, "jpegPhoto")
    directory.modify(change)
for account in "user3", "user4", "inner":
    old = dn_of(account)
    directory.rename(old, ldb.Dn(directory, f"CN=Renamed {account},CN=Users,{base}"))
for account in "user5", "user25":
    directory.delete(dn_of(account))
