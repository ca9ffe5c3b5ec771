"""Finds the formulas in Unicode text, such as docstrings, and replaces them by LaTeX between dollar signs.

A formula is what the grammar below accepts: variables of one letter with their sub- and superscripts, numbers,
functions and words that are listed here, and operators between them. Everything else remains text.

    relation = sum {(= | ≥ | ∈ | → …) sum}    sum     = signed {(+ | − …) signed}    signed = [−] product
    product  = factors {(· | × | /) factors}  factors = factor {factor}
    factor   = atom {subscript | superscript | prime} | (Σ | ∇ | ∂ | √) factor | function argument
"""

import re

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "η": "eta", "θ": "theta", "λ": "lambda",
    "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma",
}  # fmt: skip
FUNCTIONS = {name: rf"\{name}" for name in ("exp", "max", "min", "log", "tanh")} | {
    name: rf"\operatorname{{{name}}}" for name in ("softmax", "act", "align", "score", "argmin", "argmax", "ReLU")
}
WITHOUT_PARENTHESES = ("log", "argmin", "argmax")
WORDS = ("map", "mask", "mean", "std", "rate", "noise", "cost", "sample", "Var", "one-hot")
RELATIONS = {"=": "=", "≥": r"\ge", "≤": r"\le", ">": ">", "<": "<", "∈": r"\in", "→": r"\to"}
SUMS = {"+": "+", "−": "-", "∩": r"\cap", "∪": r"\cup", "…": r"\ldots"}
PRODUCTS = {"·": r"\cdot", "×": r"\times", "/": "/", "∗": "*"}
PREFIXES = {"Σ": r"\sum", "∇": r"\nabla", "∂": r"\partial", "√": r"\sqrt"}
SUPERSCRIPTS = {"ᵀ": r"\top", **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))}
SUBSCRIPTS = {**dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True)), "ᵢ": "i", "ⱼ": "j"}
BRACKETS = {"(": ")", "[": "]", "|": "|", "‖": "‖"}
LATEX_BRACKETS = {
    "(": ("(", ")"),
    "[": ("[", "]"),
    "|": (r"\left\lvert ", r"\right\rvert"),
    "‖": (r"\left\lVert ", r"\right\rVert"),
}
SYMBOLS = {"∞": r"\infty", "½": r"\tfrac{1}{2}"}

# A formula has one of these characters, which set it apart from a word or a number.
TELLING = re.compile(rf"[{''.join(RELATIONS)}{''.join(SUMS)}·×√Σ∇∂‖^_{''.join(SUPERSCRIPTS)}{''.join(SUBSCRIPTS)}/]")
# A formula has a variable; 1…5 and −∞ are readable as text.
VARIABLE = re.compile(rf"(?<![A-Za-z])[A-Za-z](?![a-z]{{2}})|[{''.join(GREEK)}⁰¹²³⁴⁵⁶⁷⁸⁹∩∪]")
# In prose an arrow also separates input and output: images → maps, 0 to 1 → a number.
LIMIT = re.compile(rf"[{''.join(GREEK)}] *→")
# d with the name of its vector, or a matrix followed by its vector.
PAIR = re.compile(r"(?:[dTBL][qkvw]|[WUV][qkv])(?![A-Za-z])")
DIMENSION = re.compile(r"[dT][qkvw]")
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+")
NAME = re.compile(r"one-hot|[A-Za-z]+")
SPACE = re.compile(r"[ ]*(?:\n[ ]*)?")


class NoFormulaError(Exception):
    """The text is not a formula."""


def mark_formulas(text):
    """A text, which must not contain code, with each formula as LaTeX between dollar signs."""
    parts, place = [], 0
    while place < len(text):
        found = _formula_at(text, place) if _may_begin(text, place) else None
        if found:
            latex, place = found
            parts.append(f"${latex.strip()}$")
        else:
            parts.append(text[place])
            place += 1
    return "".join(parts)


def to_latex(formula):
    """A formula of a docstring in LaTeX.

    Raises:
        NoFormulaError: a text that is not a single formula.
    """
    latex, end = _Parser(formula).relation(0)
    if end != len(formula):
        raise NoFormulaError(formula)
    return latex


def _may_begin(text, place):
    before = text[place - 1] if place else " "
    return not text[place].isspace() and (before.isspace() or before in '("“[')


def _formula_at(text, place):
    """`(latex, end)` of the longest formula at a place; `None` if there is none, or if it looks like prose."""
    try:
        latex, end = _Parser(text).relation(place)
    except NoFormulaError:
        return None
    source = text[place:end]
    alone = end == len(text) or not (text[end].isalnum() or text[end] in "-_`’'")
    telling = TELLING.search(source) or DIMENSION.fullmatch(source)
    # Prose has single slashes too: and/or, R/W.
    limit = "→" not in source or LIMIT.search(source)
    return (latex, end) if alone and telling and limit and VARIABLE.search(source) else None


class _Parser:
    """Recursive descent; every method takes a place and returns `(latex, end)`, or raises `NoFormulaError`."""

    def __init__(self, text):
        self.text = text

    def relation(self, place):
        return self._chain(place, self.sum, RELATIONS, spaced=True)

    def sum(self, place):
        return self._chain(place, self.signed, SUMS)

    def signed(self, place):
        if not self._is(place, "−"):
            return self.product(place)
        latex, end = self.product(place + 1)
        # In braces, so that it is typeset as a sign and not as a difference.
        return f"{{-{latex}}}", end

    def product(self, place):
        """Factors joined by · and ×; a / with spaces around it turns its two sides into a fraction."""
        first, end = self.factors(place)
        items, joints = [first], []
        while True:
            operator, start = self._operator(end, PRODUCTS)
            if operator is None:
                break
            try:
                latex, after = self.factors(start)
            except NoFormulaError:
                break
            if operator == "/" and self.text[end].isspace():
                # A sum extends over all that follows it, so the numerator begins with the sum.
                at = next((place for place, item in enumerate(items) if r"\sum" in item), len(items) - 1)
                above = _joined(items[at:], joints[at:])
                items[at:], joints[at:] = [rf"\frac{{{_bare(above)}}}{{{_bare(latex)}}}"], []
            else:
                items.append(latex)
                joints.append(PRODUCTS[operator])
            end = after
        return _joined(items, joints), end

    def factors(self, place):
        latex, end = self.factor(place)
        while True:
            start = self._skip(end)
            if start != end and not self._juxtaposed(place, end, start):
                return latex, end
            try:
                following, after = self.factor(start)
            except NoFormulaError:
                return latex, end
            latex, end, place = f"{latex} {following}", after, start

    def factor(self, place):
        for symbol, command in PREFIXES.items():
            if self._is(place, symbol):
                start = self._skip(place + 1) if symbol == "Σ" else place + 1
                if symbol == "Σ" and self._is(place + 1, "_"):
                    index, after = self._script(place + 2)
                    inside, end = self.factor(self._skip(after))
                    return rf"\sum_{{{index}}} {inside}", end
                inside, end = self.factor(start)
                return (rf"\sqrt{{{_bare(inside)}}}" if symbol == "√" else f"{command} {inside}"), end
        latex, end = self.atom(place)
        return self._scripts(latex, end)

    def atom(self, place):
        if place >= len(self.text):
            raise NoFormulaError
        character = self.text[place]
        if character in BRACKETS:
            return self._bracket(place)
        if character in GREEK or character in SYMBOLS:
            return rf"\{GREEK[character]}" if character in GREEK else SYMBOLS[character], place + 1
        number = NUMBER.match(self.text, place)
        if number:
            return number.group().replace(",", "{,}"), number.end()
        return self._name(place)

    def _name(self, place):
        name = NAME.match(self.text, place)
        if name is None:
            raise NoFormulaError
        word, end = name.group(), name.end()
        if word in FUNCTIONS:
            return self._function(word, end)
        if word in WORDS:
            return rf"\text{{{word}}}", end
        if len(word) == 1:
            return (r"\mathbb{R}" if word == "R" and self._is(end, "^") else word), end
        if DIMENSION.fullmatch(word):
            return f"{word[0]}_{{{word[1]}}}", end
        if PAIR.fullmatch(word):
            return " ".join(word), end
        raise NoFormulaError

    def _function(self, word, end):
        """A function with its argument, in parentheses that touch its name; a logarithm needs none."""
        touching = self._is(end, "(")
        if not touching and word not in WITHOUT_PARENTHESES:
            raise NoFormulaError
        argument, end = self.factor(end if touching else self._skip(end))
        return f"{FUNCTIONS[word]} {argument}", end

    def _bracket(self, place):
        """Relations in brackets, separated by commas or semicolons; (+ c) is an optional term."""
        opening = self.text[place]
        parts, end = [], self._skip(place + 1)
        plus = "+ " if opening == "(" and self._is(end, "+") else ""
        end = self._skip(end + 1) if plus else end
        while True:
            latex, end = self.relation(end)
            parts.append(latex)
            end = self._skip(end)
            if self._is(end, BRACKETS[opening]):
                break
            if end >= len(self.text) or self.text[end] not in ",;":
                raise NoFormulaError
            parts.append(self.text[end] + " ")
            end = self._skip(end + 1)
        left, right = LATEX_BRACKETS[opening]
        if any(r"\frac" in part for part in parts) and opening in "([":
            left, right = rf"\left{left}", rf"\right{right}"
        left = r"\;" + left if plus else left
        return f"{left}{plus}{''.join(parts)}{right}", end + 1

    def _scripts(self, latex, end):
        for table, sign in ((SUBSCRIPTS, "_"), (SUPERSCRIPTS, "^")):
            if self._is(end, sign):
                inside, end = self._script(end + 1)
                latex += f"{sign}{{{inside}}}"
            raised = "".join(self._while(end, table))
            if raised:
                latex, end = f"{latex}{sign}{{{''.join(table[each] for each in raised)}}}", end + len(raised)
        if self._is(end, "'") and not (end + 1 < len(self.text) and self.text[end + 1].isalpha()):
            latex, end = latex + "'", end + 1
        return latex, end

    def _script(self, place):
        """The operand of _ or ^: one atom, or brackets, which are not shown."""
        latex, end = self.atom(place)
        return _bare(latex), end

    def _chain(self, place, operand, operators, spaced=False):
        """Operands joined by operators; an operator without a following operand is not part of the formula."""
        latex, end = operand(place)
        while True:
            operator, start = self._operator(end, operators)
            if operator is None:
                return latex, end
            try:
                following, after = operand(start)
            except NoFormulaError:
                return latex, end
            latex, end = f"{latex} {operators[operator]} {following}", after

    def _operator(self, end, operators):
        place = self._skip(end)
        if place >= len(self.text) or self.text[place] not in operators:
            return None, end
        return self.text[place], self._skip(place + 1)

    def _juxtaposed(self, place, end, start):
        """Whether the text after a space belongs to the product: a sum, a root, a function, or a name with an index."""
        if start >= len(self.text):
            return False
        if self.text[start] in PREFIXES or self.text.startswith("(+", start):
            return True
        name = NAME.match(self.text, start)
        if name and name.group() in FUNCTIONS:
            return True
        indexed = re.compile(rf"[A-Za-z{''.join(GREEK)}](?:_\w|[{''.join(SUBSCRIPTS)}])")
        return bool(indexed.match(self.text, start) and indexed.match(self.text, place))

    def _while(self, place, table):
        while place < len(self.text) and self.text[place] in table:
            yield self.text[place]
            place += 1

    def _is(self, place, text):
        return self.text.startswith(text, place)

    def _skip(self, place):
        return SPACE.match(self.text, place).end()


def _joined(items, joints):
    return " ".join([items[0], *(part for pair in zip(joints, items[1:], strict=True) for part in pair)])


def _bare(latex):
    """Without parentheses around the whole."""
    if not (latex.startswith("(") and latex.endswith(")")):
        return latex
    depth = 0
    for place, character in enumerate(latex):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return latex[1:-1] if place == len(latex) - 1 else latex
    return latex
