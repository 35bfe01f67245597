# A sweep from a notebook: run this file as it is, or cell by cell (`# %%`) in Jupyter, VS Code or Spyder.
#
#   python examples/notebook.py       # a minute or two on two CPU cores

# %% [markdown]
# # A first look at born-again networks
# The sweep file says what there is to train. Any of its fields can be changed here, as with `--set` on the command
# line.

# %%
from pathlib import Path

import bansweep

sweep = bansweep.load_sweep(
    Path(__file__).parent.parent / "sweeps" / "quickstart.yaml",
    {"seeds": [0, 1]},
    only=["teacher", "ban", "ban-2", "ens*2"],
)

# %% [markdown]
# Each distinct generation is trained once, its teacher before it.

# %%
plan = sweep.plan()
for generation_id, generation in plan.generations.items():
    print(f"{generation_id}  {plan.label(generation_id):<28} learns from {generation.teacher or 'the labels'}")

# %% [markdown]
# What the store has is not trained again: run this cell twice, and the second time takes a second.

# %%
result = bansweep.run(sweep, store="bansweep-store")

# %% [markdown]
# Test errors in percent, means over both seeds; then the figure of each seed.

# %%
print(result.table().round(2))
print(result.cells().pivot(index="column", columns="seed", values="value").round(2))

# %% [markdown]
# Everything else is pandas: how the teachers and their students learnt, for example.

# %%
histories = result.histories()
errors = histories[histories["metric"] == "test_error"].pivot(index="epoch", columns="label", values="value")
print(errors.iloc[[0, 9, 19, 29]].round(1).T.to_string())
axes = errors.plot(ylabel="test error, %")

# %% [markdown]
# Weights, predictions and records are in the store, by the generations' ids.

# %%
best = result.generations()["test_error"].idxmin()
record = result.store.record(best)
assert record is not None
print(f"{record.label}: {record.parameters:,} parameters, test error {record.metrics['test_error']:.2f} %")
