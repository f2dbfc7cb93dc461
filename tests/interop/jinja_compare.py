#!/usr/bin/env python3
"""Our templates beside Jinja's: the same cases through both.

  jinja_compare.py --tool build/…/jinja_tool [--cases 3000] [--seed 1]   compare
  jinja_compare.py --golden tests/golden/jinja.jsonl                     write what Jinja makes of them

A case is a template and its variables. Both must make the same text, or both must refuse. Left out
on purpose: Markup (tojson's result escapes what is added to it), times as JSON (ours are ISO text).
"""
import argparse
import datetime
import json
import random
import subprocess
import sys

import jinja2

CONTEXT = {"a": 7, "b": -3, "f": 2.5, "s": "Hello, World", "e": "", "n": None, "t": True, "l": [3, 1, 2],
           "w": ["pear", "Apple", "fig"], "d": {"x": 1, "y": [1, 2], "z": {"k": "v"}},
           "rows": [{"id": 1, "n": "one", "ok": True}, {"id": 2, "n": "two", "ok": False}, {"id": 3, "n": "three", "ok": True}],
           "when": {"$time": 1767227400250000}, "u": "Grüße <b>&'\""}

BY_HAND = """
plain text
{{ a }}|{{ b }}|{{ f }}|{{ s }}|{{ n }}|{{ t }}|{{ l }}|{{ d }}|{{ w }}
{{ a + b }} {{ a - b }} {{ a * b }} {{ a / 2 }} {{ a // b }} {{ a % b }} {{ b % a }} {{ a ** 2 }} {{ 2 ** -1 }} {{ -a ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 123456.789 }}
{{ 'x' ~ 1 ~ none }} {{ 'ab' * 3 }} {{ [1] * 2 + [3] }} {{ (1,) }} {{ () }} {{ (1, 'b') }} {{ 1, 2 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in s }} {{ 'o' in s }} {{ 4 not in l }} {{ not t }} {{ not not a }} {{ a == 7.0 }}
{{ a if t else b }} {{ n or 'default' }} {{ e and 1 }} {{ 'yes' if not e }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::2] }} {{ d.x }} {{ d['y'][1] }} {{ d.z.k }} {{ l.0 }}
{{ s|upper }} {{ s|lower }} {{ s|title }} {{ "it's o'clock"|title }} {{ s|capitalize }} {{ '  x '|trim }}[{{ 'xxaxx'|trim('x') }}]
{{ missing|default('d') }} {{ e|default('d') }} {{ e|default('d', true) }} {{ missing is defined }} {{ a is defined }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ w|sort }} {{ w|sort(case_sensitive=true) }} {{ w|join(', ') }} {{ l|sum }} {{ l|max }} {{ w|min }}
{{ rows|map(attribute='n')|list }} {{ rows|selectattr('ok')|map(attribute='id')|join('+') }} {{ rows|rejectattr('id', 'gt', 1)|list }}
{{ w|map('upper')|list }} {{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ rows|sum(attribute='id') }} {{ rows|sort(attribute='n')|map(attribute='n')|join(' ') }}
{{ d|tojson }} {{ u|tojson }} {{ [1.0, 2.5, none, true]|tojson }} {{ {'b': 1, 'a': '<x>'}|tojson }}
{{ '42'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ '1.5'|float }} {{ 'ff'|int(base=16) }} {{ 3.9|int }} {{ '3.9'|int }}
{{ 2.5|round }} {{ 3.14159|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ 2.675|round(2) }} {{ a|round }} {{ 1234|round(-2) }} {{ -3|abs }}
{{ s|length }} {{ l|count }} {{ u|length }} {{ l|first }} {{ s|last }} {{ l|reverse|list }} {{ s|reverse }} {{ [1,1,2]|unique|list }}
{{ d|dictsort }} {{ d.items()|list }} {{ d.keys()|list }} {{ d|items|list|length }} {{ d.get('q', 'no') }}
{{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ 'a b c'|wordcount }} {{ 'a/b c&d'|urlencode }} {{ '%s is %d' % ('x', 3) }} {{ '%05.1f|%-5s|%x' % (f, 'ab', 255) }} {{ '%s-%s'|format(1, 'z') }}
{{ 'one two three four'|truncate(12) }} {{ 'one two three four'|truncate(12, true) }} {{ 'short'|truncate(12) }} {{ 'a\\nb\\n\\nc'|indent(2) }} {{ 'a\\nb'|indent(2, true) }}
{% if a > 5 %}big{% elif a > 3 %}middle{% else %}small{% endif %} {% if n %}no{% endif %}
{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in [] %}x{% else %}nothing{% endfor %} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.revindex }}{{ loop.first }}{% endfor %} {% for x in range(3) %}{{ loop.cycle('a', 'b') }}{{ loop.previtem|default('-') }}{{ loop.nextitem|default('-') }}{% endfor %}
{% set x = 1 %}{{ x }}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }} {% set p, q = 1, 2 %}{{ p }}{{ q }}
{% set blk %}in {{ a }} out{% endset %}[{{ blk }}] {% set blk2 | upper %}shout{% endset %}{{ blk2 }} {% with z = 3, y = 4 %}{{ z + y }}{% endwith %}
  {%- if t -%}   tight   {%- endif -%}   end  {{- a -}}  .
{# a comment #}x{#- another -#} y {% raw %}{{ not }} {% this %}{% endraw %} {%- raw -%}  z  {%- endraw %}
{{ {'a': {'b': 1}}['a']['b'] }} {{ [[1, 2], [3]] }} {{ "a" "b" }} {{ 'q\\'q' }} {{ "d\\"d" }} {{ ['it\\'s'] }} {{ "\\u00e9\\x41" }}
{{ s.split(',') }} {{ s.upper() }} {{ ' a  b '.split() }} {{ 'a-b-c'.split('-', 1) }} {{ 'a-b-c'.rsplit('-', 1) }} {{ '-'.join(w) }} {{ s.startswith('Hell') }} {{ '7'.zfill(3) }} {{ s.find('W') }} {{ 'x.csv'.removesuffix('.csv') }} {{ s.replace('o', '0') }} {{ 'abc'.isalpha() }}
{{ a is odd }} {{ a is divisibleby 7 }} {{ n is none }} {{ s is string }} {{ d is mapping }} {{ l is iterable }} {{ a is not even }} {{ f is number }} {{ 'a' is in 'abc' }} {{ a is eq 7 }} {{ s is lower }} {{ t is true }}
{{ when }} {{ when.year }}-{{ when.month }} {{ when.isoformat() }} {{ when.strftime('%Y/%m/%d %H:%M:%S.%f %j %a %z') }} {{ when.timestamp() }} {{ when.weekday() }} {{ when - when }} {{ when == when }}
{{ true and 1 or 2 }} {{ 1 if false else 2 if false else 3 }} {{ 3|string ~ 'x' }} {{ (1 + 2)|string }} {{ -3|abs }} {{ 10 / 4 * 2 }} {{ 7 // 2 ** 2 }} {{ 2 ~ 3 + 1 }}
{{ missing }}
{{ d.nope }}
{{ d.nope.more }}
{{ 1 + 'a' }}
{{ 1 < 'a' }}
{{ 1 / 0 }}
{{ n.x }}
{{ l.x|default('none such') }} {{ l[9]|default('short') }}
{{ s|nosuch }}
{{ 1 + }}
{% if a %}open
{% endif %}
{{ 'unclosed }}
{{ a b }}
{% for x in %}{% endfor %}
{% for x in 5 %}{% endfor %}
{{ '%d' % 'x' }}
{{ range(5)|list }} {{ range(5, 1, -2)|list }} {{ dict(a=1, b='x') }} {{ 1_000 + 0x1f + 0b11 + 0o17 }} {{ 5.e }}
""".strip("\n").split("\n") + ["line one\nline {{ a }}\n", "{% for x in l %}\n- {{ x }}\n{% endfor %}\n", "a\n\n", "{{ a }}\n{%- if t %}\n  b\n{%- endif %}\n\n"]


class Maker:
    """Random expressions of types that fit, most of the time."""

    def __init__(self, rng):
        self.rng = rng

    def number(self, depth):
        r = self.rng
        if depth <= 0:
            return r.choice(["a", "b", "f", str(r.randrange(-20, 20)), str(r.randrange(100) / 8), "l[0]", "d.x", "rows[1].id"])
        return r.choice([
            lambda: f"({self.number(depth - 1)} {r.choice(['+', '-', '*', '//', '%', '/'])} {self.number(depth - 1)})",
            lambda: f"{self.number(depth - 1)} {r.choice(['+', '-', '*', '%'])} {self.number(depth - 1)}",
            lambda: f"({self.number(depth - 1)})|abs", lambda: f"({self.number(depth - 1)})|int",
            lambda: f"({self.number(depth - 1)})|round({r.randrange(3)})",
            lambda: f"({self.string(depth - 1)})|length", lambda: f"({self.list(depth - 1)})|sum", lambda: f"({self.list(depth - 1)})|length",
            lambda: f"({self.number(depth - 1)} if {self.test(depth - 1)} else {self.number(depth - 1)})",
            lambda: f"-{self.number(0)}"])()

    def string(self, depth):
        r = self.rng
        if depth <= 0:
            return r.choice(["s", "e", "w[0]", "d.z.k", "'it''s'", "'a-b'", "\"q'q\"", "'  pad '", "rows[0].n"])
        return r.choice([
            lambda: f"({self.string(depth - 1)})|{r.choice(['upper', 'lower', 'title', 'capitalize', 'trim', 'reverse', 'string', 'urlencode'])}",
            lambda: f"({self.string(depth - 1)} ~ {self.any(depth - 1)})", lambda: f"({self.string(depth - 1)} + {self.string(depth - 1)})",
            lambda: f"({self.string(depth - 1)}).{r.choice(['upper()', 'strip()', 'title()', 'swapcase()', 'capitalize()', 'zfill(6)', 'lower()'])}",
            lambda: f"({self.string(depth - 1)})[{r.randrange(-3, 3)}:{r.randrange(-3, 9)}]",
            lambda: f"({self.string(depth - 1)})|replace({self.string(0)}, {self.string(0)})",
            lambda: f"({self.list(depth - 1)})|join({self.string(0)})", lambda: f"(({self.list(depth - 1)})|tojson)[:]",
            lambda: f"({self.string(depth - 1)})|truncate({r.randrange(3, 15)}, {r.choice(['true', 'false'])}, '..', 0)",
            lambda: f"'%s/%s' % ({self.any(depth - 1)}, {self.any(depth - 1)})"])()

    def list(self, depth):
        r = self.rng
        if depth <= 0:
            return r.choice(["l", "[1, 2.5, b]", "range(4)|list", "[a]"])
        return r.choice([
            lambda: f"({self.list(depth - 1)} + {self.list(depth - 1)})", lambda: f"({self.list(depth - 1)})|sort",
            lambda: f"({self.list(depth - 1)})|reverse|list", lambda: f"({self.list(depth - 1)})|unique|list",
            lambda: f"({self.list(depth - 1)})[{r.randrange(-3, 3)}::{r.choice([1, 2, -1])}]",
            lambda: f"[{self.number(depth - 1)}, {self.number(depth - 1)}]",
            lambda: f"({self.list(depth - 1)})|select('{r.choice(['odd', 'number', 'integer'])}')|list",
            lambda: f"({self.list(depth - 1)})|map('{r.choice(['abs', 'int', 'float', 'string'])}')|list"])()

    def test(self, depth):
        r = self.rng
        if depth <= 0:
            return r.choice(["t", "n", "e", "a", "missing is defined", "a is odd", "s is string"])
        return r.choice([
            lambda: f"{self.number(depth - 1)} {r.choice(['<', '<=', '>', '>=', '==', '!='])} {self.number(depth - 1)}",
            lambda: f"({self.test(depth - 1)} {r.choice(['and', 'or'])} {self.test(depth - 1)})", lambda: f"(not {self.test(depth - 1)})",
            lambda: f"{self.string(depth - 1)} {r.choice(['in', 'not in'])} {self.string(depth - 1)}",
            lambda: f"{self.number(depth - 1)} in {self.list(depth - 1)}"])()

    def any(self, depth):
        r = self.rng
        if r.random() < 0.08:
            return r.choice(["d", "rows", "n", "t", "when", "u", "{'k': a, 1: [s]}", "(a, s)"])
        return r.choice([self.number, self.string, self.list, self.test])(depth)

    def body(self, depth):
        r = self.rng
        sign = r.choice(["", "", "", "-"])
        if depth <= 0:
            return "{{" + sign + " " + self.any(r.randrange(3)) + " " + r.choice(["", "", "-"]) + "}}" + r.choice(["", " ", "\n", " x\n"])
        return r.choice([
            lambda: self.body(depth - 1) + self.body(depth - 1),
            lambda: "{%" + sign + f" if {self.test(1)} %}}" + self.body(depth - 1) + "{% else %}" + self.body(depth - 1) + "{% endif %}",
            lambda: "{% for x in " + self.list(1) + " %}" + "{{ loop.index }}:{{ x }}\n" + self.body(depth - 1) + "{%" + sign + " endfor %}",
            lambda: "{% set v = " + self.number(1) + " %}{{ v }}" + self.body(depth - 1)])()


def real(case):
    env = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])
    env.filters.update(ds=lambda v: v.strftime("%Y-%m-%d"))
    variables = {k: datetime.datetime.fromtimestamp(v["$time"] / 1e6, datetime.timezone.utc)
                 if isinstance(v, dict) and "$time" in v else v for k, v in case["context"].items()}
    try:
        return {"text": env.from_string(case["template"]).render(variables)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def cases(seed, count):
    rng = random.Random(seed)
    for template in BY_HAND:
        yield {"template": template, "context": CONTEXT}
    for _ in range(count):
        yield {"template": Maker(rng).body(rng.randrange(3)), "context": CONTEXT}


def compare(tool, given):
    lines = "".join(json.dumps(case) + "\n" for case in given)
    done = subprocess.run([tool], input=lines, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tool} ended with {done.returncode}: {done.stderr[-2000:]}")
    different = refused = 0
    for case, line in zip(given, done.stdout.splitlines(), strict=True):
        ours, theirs = json.loads(line), real(case)
        refused += "error" in theirs
        if ours.get("text") != theirs.get("text") or ("error" in ours) != ("error" in theirs):
            different += 1
            if different <= 15:
                print(f"template {case['template']!r}\n  Jinja {theirs}\n  ours  {ours}")
    print(f"{len(given)} templates, {refused} refused by both, {different} different")
    return different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool")
    parser.add_argument("--golden")
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.golden:
        with open(args.golden, "w") as out:
            out.write(json.dumps({"context": CONTEXT}) + "\n")
            for case in cases(args.seed, min(args.cases, 300)):
                result = real(case)
                out.write(json.dumps({"template": case["template"], **({"error": True} if "error" in result else result)}) + "\n")
        return
    sys.exit(1 if compare(args.tool, list(cases(args.seed, args.cases))) else 0)


if __name__ == "__main__":
    main()
