"""Settings that had another name in an earlier version."""

from pathlib import Path

import pytest

from abintel_pipeline.settings import Settings
from abintel_pipeline.settings.pipeline import RENAMED, RenamedSetting


@pytest.mark.parametrize("old", RENAMED)
def test_the_old_name_of_a_setting_is_an_error_that_tells_the_new_one(
    old: str, monkeypatch: pytest.MonkeyPatch
):
    new = RENAMED[old]
    assert new in Settings.model_fields
    with pytest.raises(RenamedSetting, match=f"^{old} is now called {new}: rename it$"):
        Settings(_env_file=None, **{old: 1})
    monkeypatch.setenv(f"ABINTEL_{old.upper()}", "1")
    told = f"^ABINTEL_{old.upper()} is now called ABINTEL_{new.upper()}: rename it$"
    with pytest.raises(RenamedSetting, match=told):
        Settings(_env_file=None)


def test_the_old_name_of_a_setting_in_an_env_file_is_an_error(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("ABINTEL_TIMEZONE=UTC\nabintel_expected_hour=7\n")
    with pytest.raises(RenamedSetting, match="ABINTEL_SNAPSHOT_DEADLINE_HOUR"):
        Settings(_env_file=file)
    assert Settings(_env_file=None).snapshot_deadline_hour == 6
