from pathlib import Path

from finery.contracts.model_names import fine_tuned_name
from finery.db import Database
from finery.domain.catalog import list_models, resolve
from tests.domain.catalog.test_resolution import named, train
from tests.domain.principals import ANN, BOB


class TestListModels:
    def test_every_name_resolves(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, name="house")
        context = named(home, chat="finery/tiny-llama")
        with database.read() as session:
            listed = list_models(session, context, ANN)
            for one in listed:
                assert resolve(session, one.name, context, ANN).model
        assert listed[0].name == "chat"
        assert [(one.name, one.kind, one.run_id) for one in listed[-2:]] == [
            ("outputs/m", "output", run_id),
            (fine_tuned_name("finery/tiny-llama", "house", run_id), "fine-tuned", run_id),
        ]

    def test_anothers_are_not_listed(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        with database.read() as session:
            assert {one.kind for one in list_models(session, named(home), BOB)} == {"built-in"}
