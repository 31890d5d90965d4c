"""A session with the factorial server, printed as a user would type it."""

import math
import sys
import xmlrpc.client

sys.set_int_max_str_digits(0)
server = xmlrpc.client.ServerProxy(sys.argv[1])


def show(call, *arguments):
    text = ", ".join(repr(argument) for argument in arguments)
    print(f">>> server.{call}({text})")
    try:
        result = getattr(server, call)(*arguments)
    except xmlrpc.client.Fault as fault:
        print(fault)
        return None
    print(repr(result))
    return result


assert show("factorial", 5) == math.factorial(5)
assert show("factorial", 20) == math.factorial(20)
assert show("factorial", 25) == str(math.factorial(25))
assert show("factorial", 0) == 1

code = server.createSession()
print(f">>> code = server.createSession()\n>>> len(code)\n{len(code)}")
print(">>> server.factorialInSession(code, 30)")
in_session = server.factorialInSession(code, 30)
print(repr(in_session))
assert in_session == str(math.factorial(30))

assert show("factorialInSession", "no such code", 21) is None
assert show("factorial", -1) is None
assert show("factorial", 5001) is None
assert show("factorial", "5") is None
assert show("factorial", 2.5) is None
assert show("factorial", True) is None
assert show("factorial", 1, 2) is None
assert show("factorial") is None
assert show("createSession", 1) is None
assert show("fibonacci", 5) is None

largest = server.factorial(5000)
assert largest == str(math.factorial(5000))
print(f">>> len(server.factorial(5000))\n{len(largest)}")
stats = show("stats")
assert stats["multiplications"] == 5000, "each factor was multiplied once"
