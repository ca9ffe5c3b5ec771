"""`keras-attention check`: a look at the data before training."""

from keras_attention.cli.settings import add_table, given_of_table, require_values
from keras_attention.patterns import HELP


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "check",
        help="look at images before training: duplicates, leaks, shortcuts, damage",
        description="Reads all images of a folder or a table, says what must be mended and what to look at, and "
        "writes a page with pictures. The exit code is 1 if something must be mended.",
    )
    parser.add_argument("data", metavar="DATA", help="a folder of images, or a table with a row for each image")
    text = "the page to write (default check.html); an earlier one is replaced"
    parser.add_argument("--out", metavar="FILE", default="check.html", help=text)
    parser.add_argument("--masks", metavar="DIR", help="the folder of the masks, a parallel tree, or beside")
    parser.add_argument("--mask-values", metavar="VALUES", help=HELP)
    text = "what groups images, such as a patient: a column of the table, or re:PATTERN on the path"
    parser.add_argument("--group", metavar="COLUMN|re:PATTERN", help=text)
    add_table(parser)
    text = "also write a table, .csv, whose column `group` keeps near duplicates on one side; then `train --data FILE`"
    parser.add_argument("--table", metavar="FILE", help=text)
    return parser


def run(options):
    """Runs the command; returns 1 if something must be mended."""
    from keras_attention.inspection import check as look

    names = ("masks", "mask_values", "group", "table")
    given = {name: getattr(options, name) for name in names} | given_of_table(options)
    found = look(options.data, options.out, **given)
    print(found.text())
    return int(bool(found.to_mend))


def check(options):
    """Raises `ValueError` for names and paths that cannot be right."""
    require_values(options, "data", "out", "masks", "mask_values", "group", "table")
