"""What the dependencies are under, and the bill of materials that is made of them."""

from __future__ import annotations

import pytest

from shipping import licences, sbom
from shipping.licences import SHIPPED, TOOLS, Package


def test_every_dependency_has_a_licence_that_is_allowed() -> None:
    shipped, tools = licences.packages(SHIPPED), licences.packages(TOOLS)
    assert {each.name for each in shipped} > {"pymysql", "etcd3gw", "prometheus-client", "kubernetes"}
    assert {each.name for each in tools} > {each.name for each in shipped}
    assert licences.faults(shipped, tools) == []


def test_the_page_lists_what_the_image_has() -> None:
    assert licences.PAGE.read_text(encoding="utf-8") == licences.page(), "run `make docs`"


def test_each_exception_is_still_needed() -> None:
    under = {each.name for each in licences.packages(SHIPPED) if licences.WEAK in each.identifiers}
    assert under == set(licences.REASONS)


@pytest.mark.parametrize(
    ("licence", "shipped", "tool"),
    [
        ("MIT", True, True),
        ("Apache-2.0 AND MIT", True, True),
        ("MIT AND (Apache-2.0 OR BSD-2-Clause)", True, True),
        ("MPL-2.0", False, True),
        ("MIT AND MPL-2.0", False, True),
        ("GPL-3.0-only", False, False),
        ("MIT AND AGPL-3.0-or-later", False, False),
        ("", False, False),
    ],
)
def test_copyleft_is_refused_in_the_image_and_strong_copyleft_everywhere(
    licence: str, *, shipped: bool, tool: bool
) -> None:
    one = [Package("one", "1", licence)]
    assert (licences.faults(one, []) == []) is shipped
    assert (licences.faults([], one) == []) is tool


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "found"),
    [
        ("MIT OR Apache-2.0", "whatever", ["License :: OSI Approved :: BSD License"], "MIT OR Apache-2.0"),
        (None, "BSD-3-Clause", [], "BSD-3-Clause"),
        (None, "Apache 2.0", [], "Apache-2.0"),
        (None, "Copyright by somebody, and so on", ["License :: OSI Approved :: MIT License"], "MIT"),
        (None, f"Copyright by somebody\n\n{licences._MIT}\nand so on", [], "MIT"),
        (None, "\n    Apache License\n  Version 2.0, January 2004\n and so on", [], "Apache-2.0"),
        (None, "GPL", ["License :: OSI Approved :: GNU General Public License (GPL)"], ""),
        (None, None, ["Topic :: MIT License"], ""),
    ],
)
def test_a_licence_is_found_in_the_new_field_and_in_the_older_ones(
    expression: str | None, text: str | None, classifiers: list[str], found: str
) -> None:
    assert licences.licence(expression, text, classifiers) == found


def test_a_lock_is_read_without_what_is_for_other_machines() -> None:
    text = "a==1.0 \\\n    --hash=sha256:00\nb==2 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    assert licences.locked(text) == {"a": "1.0"}


def test_a_bill_that_lacks_a_package_or_has_one_too_many_is_told() -> None:
    bill: dict[str, object] = {"components": [{"name": "A_b", "version": "1"}, {"name": "c", "version": "2"}]}
    assert sbom.lacking(bill, "a-b==1 \\\nc==2 \\\n") == []
    assert sbom.lacking(bill, "a-b==1 \\\nc==3 \\\n") == ["c==2", "c==3"]
