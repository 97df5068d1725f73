"""Commands whose modules are imported when they are invoked, so that others start quickly."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from torc_watch.cli.exit_status import errors_as_exit_status


def load(target: str) -> Any:
    """What ``module:name`` stands for in `torc_watch.cli`; the module is imported now."""
    module, _, name = target.partition(":")
    return getattr(import_module(f"torc_watch.cli.{module}"), name)


class LazyCommand(TyperCommand):
    """Stands for a command, or a group of them, until it is invoked.

    ``target`` is what `load` takes: the function of a command, or the Typer of a group. ``help`` is
    the first line of its own help. The arguments of one that ``takes_ids`` are IDs of workflows, as
    are those of the commands ``with_ids`` of a group.
    """

    def __init__(
        self,
        name: str,
        target: str,
        help: str,  # noqa: A002 - Typer's name
        epilog: str | None = None,
        *,
        takes_ids: bool = False,
        with_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(name, help=help, epilog=epilog)
        self._target = target
        self._takes_ids = takes_ids
        self._with_ids = with_ids

    def load(self) -> Any:
        """The command itself, as Typer makes it."""
        found = load(self._target)
        if isinstance(found, typer.Typer):
            return _with_plain_arguments(get_group(found))
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(self.name, cls=_LightCommand, epilog=self.epilog)(found)
        return get_command(single)

    def make_context(self, info_name: Any, args: Any, *more: Any, **options: Any) -> Any:
        """From here on the command itself is in use.

        A shell that completes an ID gets another: the command may take a second to import.
        """
        if options.get("resilient_parsing") and self._ends_with_id(args):
            words = tuple(args)  # which click takes from
            stand_in = load("completion:id_command")(lambda: self._command_of(words))
            return stand_in.make_context(info_name, args, *more, **options)
        return self.load().make_context(info_name, args, *more, **options)

    def _command_of(self, args: Sequence[str]) -> Any:
        """The one of a group that ``args`` begin with, or the command itself."""
        loaded = self.load()
        return loaded if self._takes_ids else loaded.commands[args[0]]

    def _ends_with_id(self, args: Sequence[str]) -> bool:
        """Not where what comes next may be the value of an option."""
        if any(word.startswith("-") for word in args[-1:]):
            return False
        return self._takes_ids or any(word in self._with_ids for word in args[:1])


class LazyGroup(TyperGroup):
    """A group of lazy commands, whose errors and results become the exit status."""

    lazy_commands: ClassVar[Sequence[LazyCommand]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.lazy_commands:
            self.add_command(command)

    def get_params(self, ctx: Any) -> Any:
        return _light(super().get_params(ctx))

    def invoke(self, ctx: Any) -> None:
        with errors_as_exit_status():
            load("environment:warn_of_unknown_variables")()
            status = super().invoke(ctx)
        raise typer.Exit(status or 0)


class _LightCommand(TyperCommand):
    def get_params(self, ctx: Any) -> Any:
        return _plain(_light(super().get_params(ctx)))


def _light(params: Any) -> Any:
    """The same; --help and its like are False where they are not given.

    By default that is None, which typer 0.29 converts, and loads pydantic for it: 0.09 s of every
    command, where `list` needs 0.1 s in all.
    """
    for param in params:
        if not param.expose_value:
            param.default = False
    return params


def _with_plain_arguments(group: TyperGroup) -> TyperGroup:
    for command in group.commands.values():
        _plain(command.params)
    return group


def _plain(params: Any) -> Any:
    """The same; their help shows no types of Python, such as ``ID <list[int]>``."""
    for param in params:
        if param.param_type_name == "argument" and param.metavar:
            param.display_type_rich = _no_type
    return params


def _no_type(ctx: Any) -> str:  # noqa: ARG001 - Typer names it
    return ""
