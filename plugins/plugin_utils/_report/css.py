# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The style of the report's page: light and dark, for a phone, a desktop and paper."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fff; --soft: #f4f6f8; --line: #d0d7de; --ink: #1b1f24; --muted: #57606a;
  --bad: #a40e26; --bad-paper: #ffebe9; --warn: #7a4b00; --warn-paper: #fff4d6;
  --good: #116329; --good-paper: #e3f7e8; --edge: #8c959f; --link: #0550ae;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #0d1117; --soft: #161b22; --line: #30363d; --ink: #e6edf3; --muted: #9ea7b1;
    --bad: #ffa198; --bad-paper: #3d1416; --warn: #f2cc60; --warn-paper: #332a0f;
    --good: #7ee2a0; --good-paper: #0f2a1a; --edge: #6e7681; --link: #79c0ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0 1rem 3rem; max-width: 110rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Liberation Sans", sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0; }
a { color: var(--link); }
header { margin: 0 -1rem; padding: 1rem; border-bottom: 4px solid; }
header.ok { background: var(--good-paper); border-color: var(--good); }
header.warnings { background: var(--warn-paper); border-color: var(--warn); }
header.errors { background: var(--bad-paper); border-color: var(--bad); }
header.ok .mark { color: var(--good); }
header.warnings .mark { color: var(--warn); }
header.errors .mark { color: var(--bad); }
nav a { display: inline-block; padding: .4rem .8rem .4rem 0; }
.findings { list-style: none; margin: 0; padding: 0; }
.findings > li { margin: 0 0 .5rem; padding: .6rem .8rem; border: 1px solid var(--line); border-left: 5px solid; }
.findings > .error { border-left-color: var(--bad); }
.findings > .warning { border-left-color: var(--warn); }
.findings > .note { border-left-color: var(--edge); }
.findings ul { margin: .25rem 0; padding-left: 1.25rem; }
.tag { font-size: .8rem; padding: .1rem .4rem; border-radius: 3px; background: var(--soft); color: var(--muted); }
.error .tag { background: var(--bad-paper); color: var(--bad); }
.warning .tag { background: var(--warn-paper); color: var(--warn); }
.search input { width: min(24rem, 90%); height: auto; padding: .3rem .5rem; font: inherit; vertical-align: middle; }
.all { margin: .25rem 0; font-size: .9rem; }
.unfound { display: none; }
.names, .legend, .hidden-rows { color: var(--muted); font-size: .9rem; }
.legend span { margin-left: .6rem; white-space: nowrap; }
.legend .down { color: var(--bad); }
.legend .partial { color: var(--warn); }
summary { cursor: pointer; }
.none { color: var(--good); }
figure { margin: .5rem 0 1.5rem; }
figure .box { max-height: none; }
.box { overflow: auto; max-width: 100%; max-height: 85vh; margin: .25rem 0 1rem; border: 1px solid var(--line); }
.box:focus-visible, a:focus-visible, summary:focus-visible, input:focus-visible { outline: 3px solid var(--link); }
svg { display: block; margin: .5rem; font: 13px ui-monospace, "Liberation Mono", monospace; }
.node rect { fill: var(--soft); stroke: var(--edge); }
.node text { fill: var(--ink); }
.edge { fill: none; stroke: var(--edge); }
.node.down rect, .node.failed rect { fill: var(--bad-paper); stroke: var(--bad); stroke-width: 2; }
.node.down text, .node.failed text { fill: var(--bad); font-weight: bold; }
.node.down rect { stroke-dasharray: 6 3; }
.edge.down { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 6 3; }
.node.partial rect { fill: var(--warn-paper); stroke: var(--warn); stroke-width: 2; }
.node.partial text { fill: var(--warn); }
.edge.partial { stroke: var(--warn); }
.node.drained rect, .node.disabled rect, .node.not_probed rect { fill: none; stroke-dasharray: 2 3; }
.node.drained text, .node.disabled text, .node.not_probed text { fill: var(--muted); }
.edge.drained, .edge.disabled, .edge.not_probed { stroke-dasharray: 2 3; }
table { border-collapse: separate; border-spacing: 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td {
  padding: .35rem .6rem; text-align: left; vertical-align: top; white-space: nowrap; overflow-wrap: break-word;
  border: solid var(--line); border-width: 0 1px 1px 0;
}
thead th { position: sticky; top: 0; z-index: 1; background: var(--soft); max-width: 12rem; white-space: normal; }
th:first-child {
  position: sticky; left: 0; background: var(--soft); min-width: min(9rem, 36vw); max-width: min(16rem, 36vw);
  white-space: normal;
}
thead th:first-child { z-index: 2; }
.bad { background: var(--bad-paper); color: var(--bad); }
td[colspan] { white-space: normal; min-width: 20rem; }
.unverified { background: var(--warn-paper); color: var(--warn); }
.unknown { color: var(--muted); }
small { display: block; max-width: 16rem; white-space: normal; font-size: .8rem; }
.hidden-rows { display: none; }
/* What is searched for is found among all rows. */
:root:not(.finding):has(#only-wrong:checked) :is(tr, .box).quiet { display: none; }
:root:not(.finding):has(#only-wrong:checked) .hidden-rows { display: inline; }
input { width: 1.1rem; height: 1.1rem; vertical-align: text-bottom; accent-color: var(--link); }
@media print {
  @page { size: A4 landscape; margin: 1cm; }
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: .8rem; print-color-adjust: exact; }
  header { margin: 0; }
  .box { overflow: visible; max-height: none; border: 0; }
  nav, .search, .filter label, .all { display: none; }
  .filter .hidden-rows::before { content: "Only gateways with findings "; }
  /* What is folded cannot be unfolded on paper. */
  details::details-content { content-visibility: visible; display: block; }
  /* No wider than the paper, however many columns there are. */
  table, small, .names { font-size: .65rem; }
  th, td, thead th, th:first-child {
    position: static; min-width: 0; max-width: none; padding: .15rem .25rem; white-space: normal;
  }
  thead th:not(.fact), tbody th, small { overflow-wrap: anywhere; }
  tbody th:first-child { min-width: 10em; }
  td[colspan] { min-width: 0; }
  tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  svg { max-width: 100%; height: auto; max-height: 18cm; }
}
"""
