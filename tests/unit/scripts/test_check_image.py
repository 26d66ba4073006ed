"""What `make check-image` copies stays inside the folder that replaces an image."""

from scripts.check_image import Stage, copy_files, execute


def test_a_copy_to_an_absolute_path_stays_inside_the_image(tmp_path):
    stage = Stage(tmp_path / "web", folder="/app")
    copy_files(stage, "scripts/image_parts.py", "/opt/tool/")
    assert (tmp_path / "web" / "opt" / "tool" / "image_parts.py").is_file()


def test_a_copy_to_a_relative_path_lies_in_the_working_folder(tmp_path):
    stage = Stage(tmp_path / "web", folder="/app")
    copy_files(stage, "deploy/gunicorn.conf.py", "deploy/")
    copy_files(stage, "netguard", "netguard")
    assert (tmp_path / "web" / "app" / "deploy" / "gunicorn.conf.py").is_file()
    assert (tmp_path / "web" / "app" / "netguard" / "addresses.py").is_file()


def test_a_file_of_another_stage_is_copied_from_there(tmp_path):
    parts, web = Stage(tmp_path / "parts"), Stage(tmp_path / "web", folder="/app")
    for stage in (parts, web):
        (stage.root / "tmp").mkdir(parents=True)
    (parts.root / "python.json").write_text("{}", encoding="utf-8")
    execute({"parts": parts}, web, "COPY", "--from=parts /python.json /tmp/")
    assert (web.root / "tmp" / "python.json").read_text(encoding="utf-8") == "{}"
