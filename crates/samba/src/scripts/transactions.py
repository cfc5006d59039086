"""Changes the directory of a running domain controller, many objects in one transaction.

    transactions.py SMB_CONF PRIVATE_FOLDER JOURNAL

Reads a line for each transaction: a list of changes, in JSON, with values in hexadecimal digits.
Answers with a line: null, or why none of them was made. A line that was cut short is none: its
writer has ended. The journal is locked until all is over, so that whoever goes on with it waits.
"""

import fcntl
import json

FLAGS = {"add": ldb.FLAG_MOD_ADD, "delete": ldb.FLAG_MOD_DELETE, "replace": ldb.FLAG_MOD_REPLACE}


def make(directory, change):
    kind, controls = change["kind"], change["controls"]
    dn = ldb.Dn(directory, change["object"])
    if kind == "delete":
        directory.delete(dn, controls)
    elif kind == "rename":
        directory.rename(dn, ldb.Dn(directory, change["name"]), controls)
    else:
        message = ldb.Message(dn)
        for how, attribute, values in change["values"]:
            flags = FLAGS[how] if kind == "modify" else ldb.FLAG_MOD_ADD
            values = [bytes.fromhex(value) for value in values]
            message.add(ldb.MessageElement(values, flags, attribute))
        (directory.modify if kind == "modify" else directory.add)(message, controls)


def refusal(directory, changes):
    """Makes the changes, or says why none of them was made."""
    try:
        directory.transaction_start()
    except ldb.LdbError as error:
        return str(error)
    try:
        for change in changes:
            try:
                make(directory, change)
            except Exception as error:
                raise ValueError("%s: %s" % (change["object"], error)) from error
        directory.transaction_prepare_commit()
    except Exception as error:
        directory.transaction_cancel()
        return str(error)
    directory.transaction_commit()
    return None


def main():
    smb_conf, private, journal = sys.argv[1:]
    with open(journal) as locked:
        fcntl.flock(locked, fcntl.LOCK_SH)
        directory = opened(smb_conf, private)
        for line in sys.stdin.buffer:
            if not line.endswith(b"\n"):
                break
            print(json.dumps(refusal(directory, json.loads(line))), flush=True)


main()
