"""Leads as CSV: `mirror_lines` imports back to the same mirror, `kartra_files` is what Kartra's own import takes."""

from leads.exporting.kartra import KartraFiles, told_of_people
from leads.exporting.lines import frozen, mirror_lines, to_disk, told

__all__ = ["KartraFiles", "frozen", "mirror_lines", "to_disk", "told", "told_of_people"]
