# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script of the report's page, the only one that its policy allows: the search field."""

from __future__ import annotations

import base64
import hashlib

# Where scripts do not run, the field stays hidden.
SCRIPT = """
(() => {
  const field = document.querySelector('#find'), count = document.querySelector('#found');
  field.closest('p').hidden = false;
  // From the innermost outwards: what contains something that is found is shown too.
  const items = [...document.querySelectorAll('.all li, figure, .findings > li, #topology li, tbody tr')];
  const texts = items.map(item => item.textContent.toLowerCase());
  const boxes = [...document.querySelectorAll('#routes .box')];
  let opened = [];
  const find = () => {
    const words = field.value.trim().toLowerCase();
    for (const folded of opened) folded.open = false;
    opened = [];
    let found = 0;
    items.forEach((item, number) => {
      const matches = texts[number].includes(words);
      item.classList.toggle('unfound', !matches);
      if (words && matches) found += 1;
    });
    document.documentElement.classList.toggle('finding', words !== '');
    for (const box of boxes) {
      // The name of a column stands for all rows.
      if (words && box.querySelector('thead').textContent.toLowerCase().includes(words)) {
        for (const row of box.querySelectorAll('.unfound')) row.classList.remove('unfound');
        found += 1;
      }
      box.classList.toggle('unfound', !box.querySelector('tbody tr:not(.unfound)'));
    }
    for (const folded of words ? document.querySelectorAll('details:not([open])') : []) {
      const inside = folded.querySelector(':scope > :not(summary)');
      if (inside && inside.textContent.toLowerCase().includes(words)) {
        folded.open = true;
        opened.push(folded);
      }
    }
    count.textContent = words && !found ? 'Nothing found.' : '';
  };
  let waiting;
  field.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(find, 100); });
  field.addEventListener('search', find);
})();
"""
DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
