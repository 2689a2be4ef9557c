"""Charts as SVG made on the server, from plain numbers. They hold no script and no style of their own (parts.css colours
them by class), so they work under the policy, in print and in tests. Each stands beside a table of the same numbers.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

HEIGHT, LEFT, BOTTOM, TOP = 160, 44, 22, 8
STEP = 12
"""Width of one bar with its gap."""
ROW, LABEL = 24, 260


@dataclass(frozen=True)
class Series:
    """One colour of a chart: its name, its class in parts.css, and a number for every bar."""

    name: str
    css: str
    numbers: Sequence[int]


def per_hour(title: str, hours: Sequence[dt.datetime], series: Sequence[Series]) -> SafeString:
    """Stacked bars, one for each hour."""
    totals = [sum(numbers) for numbers in zip(*(each.numbers for each in series), strict=True)]
    top = round_up(max(totals, default=0))
    width, floor = LEFT + STEP * len(hours) + 4, HEIGHT - BOTTOM
    scale = (floor - TOP) / top
    bars = []
    for index, hour in enumerate(hours):
        base = float(floor)
        for each in series:
            tall = each.numbers[index] * scale
            if tall:
                base -= tall
                tip = f"{_hour(hour)}: {each.numbers[index]:,} {each.name}"
                bars.append((each.css, LEFT + index * STEP, f"{base:.1f}", STEP - 3, f"{max(tall, 1):.1f}", tip))
    lines = [(LEFT, width, f"{floor - value * scale:.1f}", f"{value:,}") for value in (0, top // 2, top)]
    marks = [(LEFT + index * STEP, HEIGHT - 6, _hour(hour)) for index, hour in enumerate(hours) if index % 12 == 0]
    return format_html(
        '<svg class="km-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        width,
        HEIGHT,
        _("%(title)s. %(all)s in %(hours)s hours, at most %(most)s in one.")
        % {"title": title, "all": f"{sum(totals):,}", "hours": len(hours), "most": f"{max(totals, default=0):,}"},
        format_html_join(
            "",
            '<line class="km-grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="km-mark-end" x="{4}" y="{2}" dy="3">{3}</text>',
            ((x1, x2, y, words, LEFT - 6) for x1, x2, y, words in lines),
        ),
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>', bars),
        format_html_join("", '<text x="{}" y="{}">{}</text>', marks),
    )


def per_day(title: str, days: Sequence[dt.date], numbers: Sequence[int]) -> SafeString:
    """One bar for each day; the last, today's, stands out. A day on which nothing happened has a line."""
    top, step, tall = max([*numbers, 1]), 56, 104
    bars = []
    for index, (day, number) in enumerate(zip(days, numbers, strict=True)):
        high = max(round(number * (tall - 4) / top), 2)
        css = "b-accent" if index == len(days) - 1 else "b-past"
        bars.append((css, index * step + 8, tall - high, step - 16, high, f"{date_format(day, 'j M Y')}: {number:,}"))
    return format_html(
        '<svg class="km-days" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        step * len(days),
        tall,
        _("%(title)s: %(all)s in %(days)s days") % {"title": title, "all": f"{sum(numbers):,}", "days": len(days)},
        format_html_join(
            "", '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{}</title></rect>', bars
        ),
    )


def by_cause(title: str, causes: Sequence[tuple[str, int]]) -> SafeString:
    """One bar across for each cause, with its name and number."""
    most = max((number for _, number in causes), default=1)
    room = 300
    rows = []
    for index, (name, number) in enumerate(causes):
        line, long = index * ROW + 16, max(number * room / most, 2)
        rows.append((line, _short(name), LABEL, line - 11, f"{long:.1f}", f"{number:,}", LABEL + 8 + long, LABEL - 8))
    return format_html(
        '<svg class="km-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        LABEL + room + 60,
        max(len(causes), 1) * ROW + 4,
        title,
        format_html_join(
            "",
            '<text class="km-mark-end" x="{7}" y="{0}">{1}</text><rect class="b-bad" x="{2}" y="{3}" width="{4}" height="14"/>'
            '<text x="{6}" y="{0}">{5}</text>',
            rows,
        ),
    )


def hours_until(now: dt.datetime, number: int) -> list[dt.datetime]:
    """The last so many whole hours, the one that runs among them."""
    last = now.replace(minute=0, second=0, microsecond=0)
    return [last - dt.timedelta(hours=back) for back in range(number - 1, -1, -1)]


def _hour(at: dt.datetime) -> str:
    return date_format(timezone.localtime(at), "j M H:i")


def _short(words: str) -> str:
    return words if len(words) <= 42 else f"{words[:41]}…"


def round_up(number: int) -> int:
    """The next even number of one digit and noughts: 37 → 40, 1,204 → 2,000."""
    if number <= 2:
        return 2
    unit = 10 ** int(math.log10(number))
    rounded = math.ceil(number / unit) * unit
    return rounded + rounded % 2
