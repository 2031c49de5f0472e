"""Models trained together are the models that separate trainings would have made."""


import torch
from omegaconf import OmegaConf

from gesturelab.cli.train import train_in
from gesturelab.config.compose import compose_training
from gesturelab.runs import RunDir
from gesturelab.training.stack.together import Stack

QUICK = ("data.people=7", "data.repetitions=1", "trainer=cpu", "model.hidden=16", "split=loso", "trainer.max_epochs=3")
JOBS = (("split.fold=0",), ("split.fold=3",), ("split.fold=5", "seed=4"))


def composed(*overrides):
    config = compose_training([*QUICK, *overrides])
    return config, OmegaConf.to_yaml(OmegaConf.structured(config))


def separately(root, *overrides):
    config, text = composed(*overrides)
    return train_in(root, config, text)[0]


def together(root, *jobs):
    """Their folders, and what each raised."""
    raised = {}

    def training(number):
        def train(seat):
            config, text = composed(*jobs[number])
            try:
                train_in(root / str(number), config, text, seat)
            except Exception as error:
                raised[number] = error

        return train

    Stack().run([training(number) for number in range(len(jobs))])
    return [RunDir(root / str(number), "tiny") for number in range(len(jobs))], raised


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def test_each_stacked_model_is_the_separate_one(tmp_path):
    stacked, raised = together(tmp_path / "stacked", *JOBS)
    assert not raised
    for number, job in enumerate(JOBS):
        alone = separately(tmp_path / "alone" / str(number), *job)
        ours, theirs = weights(stacked[number]), weights(alone)
        assert ours.keys() == theirs.keys()
        print(number, {n: float((ours[n] - theirs[n]).abs().max()) for n in ours})
