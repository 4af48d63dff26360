"""`finery doctor`: prints what this machine has and lacks for Finery, with remedies."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.exit_codes import ExitCode
from finery.cli.output import JsonOption, hanging, print_json
from finery.cli.session import failing_clearly


def doctor(
    home: Annotated[
        Path, typer.Option("--home", help="The directory that a server would keep everything in.")
    ] = Path(),
    port: Annotated[int, typer.Option("--port", help="The port that a server would listen on.")] = 8001,
    deep: Annotated[bool, typer.Option("--deep", help="Also import the training stack; takes seconds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at this machine: what Finery can use here, what is missing, and what to do about it.

    The exit code is 1 when something is missing without which Finery cannot work.
    """
    from finery.cli.doctor_checks import State, examine

    with failing_clearly():
        findings = examine(home=home, port=port, deep=deep)
    healthy = all(finding.state is not State.LACKING for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            print(hanging(f"{finding.state:<8} {finding.subject:<{width}}  ", finding.found))
            if finding.remedy:
                print(hanging(f"{'':<8} {'':<{width}}  -> ", finding.remedy))
    raise typer.Exit(ExitCode.SUCCEEDED if healthy else ExitCode.FAILED)
