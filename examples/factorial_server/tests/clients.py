"""Many clients of the factorial server at once, each checking its answers.

Usage: clients.py URL CLIENTS N...
"""

import math
import random
import sys
import threading
import xmlrpc.client

sys.set_int_max_str_digits(0)
url, clients, numbers = sys.argv[1], int(sys.argv[2]), [int(n) for n in sys.argv[3:]]
expected = {n: math.factorial(n) for n in numbers}
together = threading.Barrier(clients)
wrong = []


def client(seed):
    try:
        order = numbers[:]
        random.Random(seed).shuffle(order)
        server = xmlrpc.client.ServerProxy(url)
        code = server.createSession()
        together.wait()
        for n in order:
            if int(server.factorialInSession(code, n)) != expected[n]:
                wrong.append(f"client {seed}: {n}! is wrong")
    except Exception as error:
        wrong.append(f"client {seed}: {error!r}")


threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(wrong) or f"{clients * len(numbers)} right answers")
sys.exit(bool(wrong))
