"""The skorch net of all estimators: how a step is shared, and what it waits for."""

from copy import deepcopy
from inspect import signature
from operator import length_hint
from time import perf_counter

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from torch import nn

from ..progress import Progress
from . import checkpoints
from .processes import (
    agree,
    choose_share,
    count_processes,
    gather_shares,
    get_rank,
    share_object,
    share_state,
    sum_gradients,
    sum_values,
    take_share,
)
from .runtime import seeded_torch, send


class TrainingNet(NeuralNet):
    """A skorch net that several processes may train together.

    Parameters
    ----------
    *args, **kwargs
        As for `skorch.NeuralNet`.
    together : bool
        Whether the processes that were launched together train one net. All must be
        given the same data and seed.
    checkpoint : path-like | None
        File that keeps the state of the training, to go on from it.

    Attributes
    ----------
    interrupted_ : bool
        Whether Ctrl-C has ended the training.

    Notes
    -----
    A criterion that is a mean tells by ``count(truth)`` over how many; each process
    then computes its share of it. Any other criterion, such as one over pairs, is
    computed by each process from the gathered outputs of all.
    """

    def __init__(self, *args, together=False, checkpoint=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.together = together
        self.checkpoint = checkpoint

    def agree(self, values):
        """Return numbers that decide, the same in all processes that train together.

        Parameters
        ----------
        values : float | sequence of float
            What this process has computed, perhaps with other rounding.

        Returns
        -------
        values : float | list of float
            What the first process has computed.
        """
        return agree(values, self.device) if self.together else values

    def on_train_begin(self, net, **kwargs):
        """Begin with the same weights in all processes."""
        super().on_train_begin(net, **kwargs)
        self._share_state()

    def on_epoch_end(self, net, **kwargs):
        """Go on with the same weights, and the same statistics, in all processes."""
        self._share_state()
        super().on_epoch_end(net, **kwargs)

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Train for epochs, on from a checkpoint, and show how far it is."""
        epochs = epochs or self.max_epochs
        self.interrupted_ = self._is_done = False
        self._n_whole, self._batches = 0, None
        try:
            self._resume()
            if self._is_done:
                return self
            with Progress("epochs of training, at most", epochs) as self._bar:
                if self._n_whole:
                    self._bar.advance(self._n_whole)
                super().fit_loop(X, y, epochs - self._n_whole, **kwargs)
        except KeyboardInterrupt as interrupt:
            self.interrupted_ = not checkpoints.is_deliberate(interrupt, self)
            raise
        finally:
            self._is_done = not self.interrupted_
            self._bar = None
        return self

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set; those of the training go on as they did."""
        iterator = super().get_iterator(dataset, training=training)
        if training:
            self._batches = iterator
            if self._resumed is not None:
                checkpoints.restore_draws(iterator, self._resumed)
        return iterator

    def notify(self, method_name, **cb_kwargs):
        """Tell callbacks, and keep a checkpoint of what is then complete."""
        if method_name == "on_train_end":
            self._drop_parts_of_epochs()
        super().notify(method_name, **cb_kwargs)
        if method_name == "on_epoch_end":
            self._n_whole = len(self.history)
            self.whole_weights_ = deepcopy(self.module_.state_dict())
            if perf_counter() - self._written >= checkpoints.INTERVAL:
                self._write_checkpoint()
        elif method_name == "on_train_end":
            if self._is_done and self._batches is not None:
                self._write_checkpoint()
            # they hold the data, and folders
            self._batches = self._resumed = self.checkpoint = None
            self.whole_weights_ = None

    def initialize_module(self):
        """Make the module; processes on GPUs normalise batches together."""
        super().initialize_module()
        if self._is_shared and self._is_on_cuda:
            self.module_ = nn.SyncBatchNorm.convert_sync_batchnorm(self.module_)
        return self

    def torch_compile(self, module, name):
        """Compile the module in place, so that it can be stored as if it were not.

        The loss is as it was: its shapes depend on what the batch holds.
        """
        if self.compile and name == "module":
            module.compile(**self.get_params_for("compile"))
        return module

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Return the arguments of the optimizer, which takes one step for all."""
        args, params = super().get_params_for_optimizer(prefix, named_parameters)
        takes_fused = "fused" in signature(getattr(self, prefix)).parameters
        if self._is_on_cuda and takes_fused and "foreach" not in params:
            params = {"fused": True} | params
        return args, params

    def infer(self, x, **fit_params):
        """Return what the module makes of a batch."""
        return super().infer(self._send(x), **fit_params)

    def get_loss(self, y_pred, y_true, **params):
        """Return the loss of a batch, a scalar."""
        return super().get_loss(y_pred, self._send(y_true), **params)

    def train_step_single(self, batch, **fit_params):
        """Compute outputs, loss and gradients; of a share of the batch, if shared."""
        if not self._is_shared:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        given, truth = batch
        rows = choose_share(get_len(given))
        with seeded_torch(self._draw_own_seed()):
            predicted = self.infer(take_share(given, rows), **fit_params)
        loss = self._get_share_of_loss(predicted, truth, rows)
        loss.backward()
        sum_gradients(values for _, values in self.get_all_learnable_params())
        return {"loss": loss, "y_pred": predicted}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Compute an epoch; on a GPU, losses are read at its end, since that waits."""
        if iterator is None:
            return
        losses, n_batches = [], length_hint(iterator)
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"].detach())
            if not self._is_on_cuda:
                self.history.record_batch(f"{prefix}_loss", losses[-1].item())
            self.history.record_batch(f"{prefix}_batch_size", get_len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training and n_batches:
                self._bar.advance(1 / n_batches)
        if losses and (self._is_on_cuda or self._is_shared):
            batches = self.history[-1]["batches"][-len(losses) :]
            for of_batch, loss in zip(batches, self._read_losses(losses), strict=True):
                of_batch[f"{prefix}_loss"] = loss
        self.history.record(f"{prefix}_batch_count", len(losses))

    def _drop_parts_of_epochs(self):
        """Leave whole epochs, after a training that was ended in the middle of one."""
        if self.interrupted_:
            n_whole = self._n_whole
            if n_whole:
                n_whole = checkpoints.load_best_weights(self, n_whole)
            del self.history[n_whole:]
        elif self.history and "train_loss" not in self.history[-1]:
            self.history.pop()  # a callback has ended the training
        if not self.history:
            told = "The training was interrupted in its first epoch."
            raise KeyboardInterrupt(told)

    def _resume(self):
        """Begin where a checkpoint ends, if there is one."""
        self._written, self._resumed = perf_counter(), None
        if self.checkpoint is not None:
            if get_rank() == 0:
                self._resumed = checkpoints.read_checkpoint(self.checkpoint)
            if self._is_shared:  # others may not see the folder
                self._resumed = share_object(self._resumed, self.device)
        if self._resumed is not None:
            checkpoints.restore_net(self, self._resumed)
            self.whole_weights_ = deepcopy(self.module_.state_dict())
            self._is_done = self._resumed["is_done"]
            self._n_whole = len(self.history)

    def _write_checkpoint(self):
        if self.checkpoint is not None and get_rank() == 0:
            batches, is_done = self._batches, self._is_done
            checkpoints.write_checkpoint(
                self.checkpoint, self, batches, is_done=is_done
            )
            self._written = perf_counter()

    @property
    def _is_shared(self):
        return self.together and count_processes() > 1

    @property
    def _is_on_cuda(self):
        return torch.device(self.device).type == "cuda"

    def _send(self, values):
        """Return tensors, or a dict of them, on their way to the device."""
        if isinstance(values, dict):
            return {name: self._send(of_name) for name, of_name in values.items()}
        return send(values, self.device) if torch.is_tensor(values) else values

    def _draw_own_seed(self):
        """Return a seed of dropout, another one for each step and process."""
        step = [len(self.history), len(self.history[-1, "batches"])]
        entropy = np.random.SeedSequence([torch.initial_seed(), *step, get_rank()])
        return int(entropy.generate_state(1)[0])

    def _share_state(self):
        if self._is_shared:
            share_state(self.module_)
            share_state(self.criterion_)

    def _get_share_of_loss(self, predicted, truth, rows):
        """Return the share of this process, of shares that sum up to the loss."""
        n_rows = get_len(truth)
        if not hasattr(self.criterion_, "count"):
            whole = gather_shares(predicted, rows, n_rows)
            return self.get_loss(whole, truth, training=True) / count_processes()
        own = take_share(truth, rows)
        count = self.criterion_.count(own).to(self.device)
        weight = count / sum_values(count)
        return weight * self.get_loss(predicted, own, training=True)

    def _read_losses(self, losses):
        """Return the losses of batches, of all processes that share them."""
        losses = torch.stack(losses)
        return (sum_values(losses) if self._is_shared else losses).tolist()
