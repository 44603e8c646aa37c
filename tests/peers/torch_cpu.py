"""PyTorch on the CPU, all threads, as a peer of Weft's benchmark; README.md beside this file gives the protocol."""

import json
import math
import os
import sys
import time

# Threads that wait must sleep: spinning ones take the cores from OpenBLAS's, and from the next program's measurement.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402, after the setting that it reads
import torch.nn.functional as F  # noqa: E402

CORES = len(os.sched_getaffinity(0))


def model(p, ids, n_layer, n_head):
    """Logits of the GPT of model/gpt.ts; weights are (in, out) there, and (out, in) here as PyTorch likes them."""
    B, T = ids.shape
    C = p["wte"].shape[1]
    mask = p["mask"][:T, :T]
    x = F.embedding(ids, p["wte"]) + p["wpe"][:T]
    for i in range(n_layer):
        h = F.layer_norm(x, (C,), p[f"{i}.ln_1"])
        q, k, v = (t.view(B, T, n_head, C // n_head).transpose(1, 2) for t in F.linear(h, p[f"{i}.qkv"]).split(C, 2))
        # PyTorch 1.13 has no public fused attention, and none that is causal on a CPU.
        scores = (q @ k.transpose(2, 3)) * (C // n_head) ** -0.5
        y = F.softmax(scores.masked_fill(mask, -math.inf), 3) @ v
        x = x + F.linear(y.transpose(1, 2).reshape(B, T, C), p[f"{i}.proj"])
        h = F.layer_norm(x, (C,), p[f"{i}.ln_2"])
        x = x + F.linear(F.gelu(F.linear(h, p[f"{i}.fc"])), p[f"{i}.down"])
    return F.linear(F.layer_norm(x, (C,), p["ln_f"]), p["wte"])


def parameters(n_layer, n_embd, block_size, vocab_size):
    """Fresh parameters by name, started as Weft starts them."""
    C = n_embd
    residual = 0.02 / math.sqrt(2 * n_layer)
    p = {"wte": torch.randn(vocab_size, C) * 0.02, "wpe": torch.randn(block_size, C) * 0.02, "ln_f": torch.ones(C)}
    for i in range(n_layer):
        p |= {f"{i}.ln_1": torch.ones(C), f"{i}.ln_2": torch.ones(C)}
        p |= {f"{i}.qkv": torch.randn(3 * C, C) * 0.02, f"{i}.proj": torch.randn(C, C) * residual}
        p |= {f"{i}.fc": torch.randn(4 * C, C) * 0.02, f"{i}.down": torch.randn(C, 4 * C) * residual}
    return {name: value.requires_grad_() for name, value in p.items()}


def trainer(n_layer, n_head, n_embd, block_size, batch_size, vocab_size):
    """A function that takes one training step on one fixed batch and gives the loss back."""
    torch.manual_seed(1337)
    p = parameters(n_layer, n_embd, block_size, vocab_size)
    decays = [{"params": [q for q in p.values() if q.dim() > 1], "weight_decay": 0.1}]
    decays += [{"params": [q for q in p.values() if q.dim() == 1], "weight_decay": 0.0}]
    # foreach and not a loop over parameters: the fastest AdamW that this PyTorch has on a CPU.
    optimizer = torch.optim.AdamW(decays, lr=1e-3, betas=(0.9, 0.99), foreach=True)
    tensors = list(p.values())
    p["mask"] = torch.ones(block_size, block_size, dtype=torch.bool).triu(1)
    x, y = torch.randint(vocab_size, (2, batch_size, block_size))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(p, x, n_layer, n_head).view(-1, vocab_size), y.reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, 1.0)
        optimizer.step()
        return loss.item()

    return step


def multiplier(m, n, k, transpose_a, transpose_b):
    """A function that computes one matrix product into memory that it keeps."""
    a = torch.randn(k, m).t() if transpose_a else torch.randn(m, k)
    b = torch.randn(n, k).t() if transpose_b else torch.randn(k, n)
    out = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=out)


def clock(run):
    """Milliseconds of one call, and its result."""
    start = time.perf_counter()
    result = run()
    return (time.perf_counter() - start) * 1e3, result


def prepare(run):
    """Warms up, and finds out whether PyTorch's own loops are faster with all cores or with one, as small ones are."""
    first_loss = run()
    best = {}
    for threads in (1, CORES):
        torch.set_num_threads(threads)
        run()
        best[threads] = min(clock(run)[0] for _ in range(3))
    return run, min(best, key=best.get), first_loss


prepared = {}


def measure(make, sizes, repeats):
    """The answer about `make(*sizes)`: times of its calls, and what the first and the last gave."""
    key = (make, *sizes)
    if key not in prepared:
        prepared[key] = prepare(make(*sizes))
    run, threads, first_loss = prepared[key]
    torch.set_num_threads(threads)
    calls = [clock(run) for _ in range(repeats)]
    return [ms for ms, _ in calls], calls[-1][1], first_loss


def answer(request):
    """The answer to one request."""
    op, repeats = request["op"], max(1, request.get("repeats", 3))
    if op == "hello":
        return {"name": f"PyTorch {torch.__version__} CPU", "adapter": f"CPU, {CORES} threads"}
    if op == "matmul":
        sizes = [request["m"], request["n"], request["k"], request["transpose_a"], request["transpose_b"]]
        return {"ms": measure(multiplier, sizes, repeats)[0]}
    if op == "step":
        keys = ["n_layer", "n_head", "n_embd", "block_size", "batch_size", "vocab_size"]
        ms, loss, first_loss = measure(trainer, [request[key] for key in keys], repeats)
        return {"ms": ms, "loss": loss, "first_loss": first_loss}
    raise ValueError(f"unknown op {op}")


for line in sys.stdin:
    try:
        request = json.loads(line)
        if request["op"] == "exit":
            break
        reply = answer(request)
    except Exception as error:  # a request that fails must not end the program
        reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    print(json.dumps(reply), flush=True)
