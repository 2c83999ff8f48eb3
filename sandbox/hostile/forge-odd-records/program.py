import os
import sys

RECORDS = {
    "deep": b"V" + b"l1:" * 5000 + b"n", "endless_list": b"Vl999999999:", "endless_pairs": b"Vm99999999:nn",
    "huge_decimal": b"VD14:1E999999999999", "no_number": b"Vd8:infinity", "no_text": b"Vs4:\xff\xff\xff\xff",
    "no_object": b"Vo2:nn", "no_record": b"Vr1:s1:xn", "two_values": b"Vi2:42i2:42", "two_records": b"DVi2:42",
    "wrong_class": b"El5:s4:calls20:builtins.BaseExceptions0:s0:i99999999999999999999:1", "no_statements": b"Ql0:D",
    "files": b"B2:42", "blame": b"F", "again": b"PRVi2:42", "code": b"K3:abcVi2:42", "nothing": b"\0" * 1000,
}


def nonces():
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Report":
                yield value.nonce
        frame = frame.f_back


def send(record):
    for nonce in [*nonces(), b""][:1]:
        try:
            os.write(200, nonce + record)
        except OSError:
            pass
    os._exit(0)


for name, record in RECORDS.items():
    globals()[name] = lambda record=record: send(record)
