"""GraphQL: recognised in JSON, indented, tolerant."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.graphql_view import query_lines
from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import ContentFacts, never, text_of

QUERY = (
    "query Q($id: ID!, $n: [Int!] = [5]) { user(id: $id, filter: {a: 1, b: [1,2]}) "
    '{ id name ...F ... on User @include(if: $x) { email, alias: field(s: """a}\n b""") } } } fragment F on User { x }'
)
JSON = "application/json"


def test_a_query() -> None:
    assert [text_of(line) for line in query_lines(QUERY, never)] == [
        "query Q($id: ID!, $n: [Int!] = [5]) {",
        "  user(id: $id, filter: { a: 1, b: [1, 2] }) {".replace("{ a", "{ a").replace("2] }", "2]}"),
        "    id",
        "    name",
        "    ...F",
        "    ... on User @include(if: $x) {",
        "      email",
        '      alias: field(s: """a}',
        ' b""")',
        "    }",
        "  }",
        "}",
        "fragment F on User {",
        "  x",
        "}",
    ]


def test_json_with_variables() -> None:
    body = json.dumps({"operationName": "Q", "query": "query Q{a}", "variables": {"id": "7"}, "extensions": {}}).encode()
    shown = render(body, "auto", ContentFacts(JSON))
    assert (shown.view_name, shown.description) == ("graphql", "GraphQL")
    assert [text_of(line) for line in shown.lines] == [
        "Operation: Q", "query Q {", "  a", "}", "", "Variables:", "{", '  "id": "7"', "}", "",
    ]  # fmt: skip


def test_a_batch_and_a_bare_query() -> None:
    batch = json.dumps([{"query": "{a}"}, {"query": "mutation {b}"}]).encode()
    assert render(batch, "auto", ContentFacts(JSON)).description == "GraphQL, a batch of 2"
    assert render(b"# hello\n{ a }", "auto", ContentFacts("application/graphql")).view_name == "graphql"


@pytest.mark.parametrize(
    "body", [b'{"query": "SELECT 1"}', b'{"query": {"match": 1}}', b'[{"query": "{a}"}, 1]', b'{"a": {"query": "{a}"}}', b"[]"]
)
def test_other_json_stays_json(body: bytes) -> None:
    assert render(body, "auto", ContentFacts(JSON)).view_name == "json"


@given(st.text(alphabet="{}()[]:!=$@.,\"'#\n ab1on", max_size=100))
def test_any_query_keeps_its_characters(query: str) -> None:
    shown = "".join("".join(text_of(line).split()) for line in query_lines(query, never))
    assert shown.replace(",", "") == "".join(query.split()).replace(",", "")
