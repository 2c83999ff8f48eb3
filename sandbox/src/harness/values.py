"""Values: what a program returns, in a closed encoding, and what the task gives it."""

MAX_NODES = 2_000_000
MAX_BYTES = 32 << 20
MAX_BITS = MAX_BYTES * 8 + 7
MAX_RATIO_BITS = 1 << 16
# Above, an integer goes as its hexadecimal digits: decimal ones take a time that grows with the square of their number.
MAX_DECIMAL_BITS = 1 << 18
# Objects that are compared by their state, in one value: each nests what follows two levels deeper.
MAX_STATES = 50
numpy = sys.modules.get("numpy")
ndarray, numpy_scalar = (numpy.ndarray, numpy.generic) if numpy else ((), ())
modules = sys.modules
Decimal = decimal.Decimal
deque, SimpleNamespace, Fraction = collections.deque, types.SimpleNamespace, fractions.Fraction
DateTime, Time = datetime.datetime, datetime.time
OrderedDict, Counter, Array = collections.OrderedDict, collections.Counter, array.array
ordered_pairs = OrderedDict.items
# Of the library, around a builtin container that they compare as.
AROUND = (collections.UserList, collections.UserString, collections.UserDict)
ChainMap = collections.ChainMap
plain_equality, plain_representation = object.__eq__, object.__repr__
ADDRESS = " at 0x"
clock = time.monotonic_ns
read_numerator, read_denominator = Fraction._numerator.__get__, Fraction._denominator.__get__
Integral, Rational = numbers.Integral, numbers.Rational
MappingProxy = types.MappingProxyType
# Sets of keys and of pairs, which compare as sets do.
VIEWS = (type({}.keys()), type({}.items()), type(collections.OrderedDict().keys()), type(collections.OrderedDict().items()))
class_names = type.__dict__["__dict__"].__get__
set_digits = getattr(sys, "set_int_max_str_digits", None)


class TooLarge(Exception):
    """A value is too large to be compared."""


def encode(value):
    """The closed encoding, in prefix order: a tag, a length, then the content or as many values.

    Types are asked of the object's real type, never of its `__class__`; numbers, strings and containers are read by the
    builtin types' own methods, so a subclass cannot lie about what it holds. Anything else is its type's name and repr.
    Sizes are looked at before anything is copied: a copy of what is too large would run out of memory instead.
    """
    if set_digits:
        set_digits(0)
    if not numpy and "numpy" in modules:
        find_numpy(modules["numpy"])
    pieces, stack, nodes, total, states = [], [value], 0, 0, set()
    while stack:
        item = stack.pop()
        kind = type(item)
        nodes += 1
        if nodes > MAX_NODES or total > MAX_BYTES:
            raise TooLarge
        children = None
        if item is None:
            piece = b"n"
        elif kind is bool:
            piece = b"t" if item else b"f"
        elif kind is _Named:
            piece = b"o"
            children = (item.name, item.text)
        elif kind is _Parts:
            piece = b"r%d:" % len(item.parts)
            children = (item.name, *item.parts)
        elif issubclass(kind, int):
            bits = int.bit_length(item)
            if bits > MAX_BITS:
                raise TooLarge
            if bits > MAX_DECIMAL_BITS:
                stack.append(_Named(item, int.__format__(item, "x"), int))
                continue
            text = b"%d" % int.__int__(item)
            piece = b"i%d:%s" % (len(text), text)
        elif issubclass(kind, float) and not (numpy and issubclass(kind, numpy_scalar)):
            text = float.__repr__(item).encode()
            piece = b"d%d:%s" % (len(text), text)
        elif issubclass(kind, str) and not (numpy and issubclass(kind, numpy_scalar)):
            if str.__len__(item) > MAX_BYTES:
                raise TooLarge
            text = str.encode(item, "utf-8", "surrogatepass")
            piece = b"s%d:%s" % (len(text), text)
        elif kind is Exactly:
            piece = b"D%d:%s" % (len(item.text), item.text.encode())
        elif kind is _Members:
            children = item
            piece = b"e%d:" % len(item)
        elif issubclass(kind, list):
            fits(list.__len__(item), MAX_NODES)
            children = [*list.__iter__(item)]
            piece = b"l%d:" % len(children)
        elif issubclass(kind, tuple):
            fits(tuple.__len__(item), MAX_NODES)
            children = [*tuple.__iter__(item)]
            piece = b"u%d:" % len(children)
        elif kind is not dict and issubclass(kind, (OrderedDict, Counter)):
            fits(dict.__len__(item), MAX_NODES)
            ordered = issubclass(kind, OrderedDict)
            stack.append(_Parts(OrderedDict, [dict(ordered_pairs(item))]) if ordered else _Parts(Counter, [dict(dict.items(item))]))
            continue
        elif issubclass(kind, dict):
            fits(dict.__len__(item), MAX_NODES)
            children = [part for pair in dict.items(item) for part in pair]
            piece = b"m%d:" % (len(children) // 2)
        elif issubclass(kind, (set, frozenset)):
            plain = set if issubclass(kind, set) else frozenset
            fits(plain.__len__(item), MAX_NODES)
            children = [*plain.__iter__(item)]
            piece = b"e%d:" % len(children)
        elif issubclass(kind, (bytes, bytearray)) and not (numpy and issubclass(kind, numpy_scalar)):
            content = memoryview(item)
            fits(content.nbytes, MAX_BYTES)
            text = bytes(content)
            piece = b"b%d:%s" % (len(text), text)
        elif kind is complex:
            piece = b"c"
            children = (item.real, item.imag)
        elif issubclass(kind, Decimal):
            text = Decimal.__str__(item).encode()
            piece = b"D%d:%s" % (len(text), text)
        elif numpy and issubclass(kind, ndarray):
            fits(ndarray.size.__get__(item), MAX_NODES)
            stack.append(ndarray.tolist(item))
            continue
        elif numpy and issubclass(kind, numpy_scalar):
            plain = numpy_scalar.item(item)
            stack.append(_Named(item) if issubclass(type(plain), numpy_scalar) else plain)
            continue
        else:
            stack.append(otherwise(item, kind, states))
            continue
        pieces.append(piece)
        total += len(piece)
        if children:
            stack.extend(reversed(children))
    return pieces


def find_numpy(module):
    """For a program that imported it on its own. What the program put in its place can say no more than the program itself."""
    global numpy, ndarray, numpy_scalar
    try:
        ndarray, numpy_scalar = module.ndarray, module.generic
        numpy = module
    except AttributeError:
        ndarray, numpy_scalar = (), ()


def fits(size, most):
    """Refuses what is more than `most`; numbers and strings, which are most of the nodes, are spared the call."""
    if size > most:
        raise TooLarge


def otherwise(item, kind, states):
    """A value of a type that the encoding does not know, as one that it knows where their `==` agree.

    `states` has the numbers of the objects that were taken apart, so that none is twice.
    """
    if kind is range:
        return _Named(item, same_range(item))
    if kind is Fraction:
        return ratio(item, read_numerator(item), read_denominator(item))
    if kind is memoryview and item.format == "B" and item.ndim == 1:
        fits(item.nbytes, MAX_BYTES)
        return item.tobytes()
    if kind is MappingProxy:
        fits(len(item), MAX_NODES)
        return dict(item)
    if any(kind is view for view in VIEWS):
        fits(len(item), MAX_NODES)
        return _Members([*item])
    if kind is DateTime or kind is Time:
        return _Named(item, moment(item, kind))
    if issubclass(kind, deque):
        fits(deque.__len__(item), MAX_NODES)
        return _Parts(deque, [*deque.__iter__(item)])
    if kind is SimpleNamespace:
        return _Parts(kind, [item.__dict__])
    if kind is Array:
        fits(len(item), MAX_NODES)
        return _Parts(kind, item.tolist())
    equality = inherited(kind, "__eq__")
    if any(issubclass(kind, base) and equality is inherited(base, "__eq__") for base in AROUND):
        return item.data
    if kind is ChainMap:
        return dict(item.items())
    fields = compared_fields(kind)
    if fields is not None:
        return _Parts(kind, [getattr(item, field) for field in fields])
    try:
        # Numbers of libraries: `sympy.Integer`, `gmpy2.mpq`.
        if issubclass(kind, Integral):
            return operator.index(item)
        if issubclass(kind, Rational):
            return ratio(item, item.numerator, item.denominator)
    except (TypeError, AttributeError):
        # A class that says it is a number, and is none.
        pass
    if equality is not plain_equality and inherited(kind, "__repr__") is plain_representation:
        # Compared by what it holds: its `repr` is an address.
        state = getattr(item, "__dict__", None)
        if type(state) is dict and len(states) < MAX_STATES and id(item) not in states:
            states.add(id(item))
            return _Parts(kind, [state])
    text = None
    if equality is plain_equality:
        text = repr(item)
        if ADDRESS in text:
            # It equals itself alone, and addresses repeat from process to process.
            text = f"{text} {clock()}"
    return _Named(item, text)


def inherited(kind, name):
    """What a class has under a name, of its own or from above: no metaclass is asked."""
    return next(names[name] for names in map(class_names, mro_of(kind)) if name in names)


def same_range(item):
    """A text that ranges of the same numbers share."""
    if not item:
        return "range(0)"
    return f"range({item[0]})" if item[0] == item[-1] else f"range({item[0]}, {item[-1]}, {item.step})"


def ratio(item, numerator, denominator):
    """A fraction, as a decimal where it has an end."""
    parts = (numerator, denominator)
    if any(type(part) is not int or int.bit_length(part) > MAX_RATIO_BITS for part in parts) or denominator < 1:
        return _Named(item)
    digits, left = 0, denominator
    while left > 1:
        step = 10 if left % 10 == 0 else 2 if left % 2 == 0 else 5 if left % 5 == 0 else 0
        if not step:
            return _Named(item, f"{numerator}/{denominator}", Fraction)
        left //= step
        digits += 1
    return numerator if not digits else Exactly(f"{numerator * 10 ** digits // denominator}E-{digits}")


def moment(item, kind):
    """The same moment has one text in all time zones, and whether it comes a second time that day does not count."""
    offset = kind.utcoffset(item)
    plain = item.replace(tzinfo=None, fold=0)
    if offset is None:
        return repr(plain) if item.tzinfo is None else repr(item)
    try:
        if kind is Time:
            passed = datetime.timedelta(hours=plain.hour, minutes=plain.minute, seconds=plain.second, microseconds=plain.microsecond)
            return f"{passed - offset!r} UTC"
        return f"{plain - offset!r} UTC"
    except OverflowError:
        return repr(item)


def compared_fields(kind):
    """Names of the fields that a data class compares by; nothing where it compares otherwise, or is none."""
    names = class_names(kind)
    compare, fields = names.get("__eq__"), names.get("__dataclass_fields__")
    made = type(compare) is types.FunctionType and compare.__code__.co_filename == "<string>"
    if not made or type(fields) is not dict:
        return None
    return [name for name, field in fields.items() if field.compare and field._field_type is dataclasses._FIELD]


class Exactly:
    """A decimal number, whatever the precision that the program set."""

    def __init__(self, text):
        self.text = text


class _Members(list):
    """What a set of them holds, hashable or not."""


class _Parts:
    """A value that is compared by its parts."""

    def __init__(self, kind, parts):
        self.name, self.parts = f"{kind.__module__}.{kind.__qualname__}", parts


class _Named:
    """A value of a type that the encoding does not know."""

    def __init__(self, item, text=None, kind=None):
        kind = kind or type(item)
        self.name = f"{kind.__module__}.{kind.__qualname__}"
        self.text = repr(item) if text is None else text
        fits(len(self.text), MAX_BYTES)


def argument(part, space):
    """An argument: source text is evaluated beside the program, data is decoded."""
    if "source" in part:
        return eval(compile(part["source"].strip(), "<argument>", "eval", dont_inherit=True), space)
    return decode(part["value"])


def decode(value):
    """A Python value from the wire's closed encoding."""
    tag, content = value["t"], value.get("v")
    if tag == "none":
        return None
    if tag in ("bool", "str"):
        return content
    if tag == "int":
        return int(content)
    if tag == "float":
        return float(content)
    if tag == "decimal":
        return Decimal(content)
    if tag == "complex":
        return complex(float(content[0]), float(content[1]))
    if tag == "bytes":
        return binascii.a2b_base64(content)
    if tag == "list":
        return [decode(part) for part in content]
    if tag == "tuple":
        return tuple([decode(part) for part in content])
    if tag == "set":
        return {decode(part) for part in content}
    if tag == "dict":
        return {decode(key): decode(part) for key, part in content}
    raise ValueError(f"an argument cannot be of kind {tag!r}; give it as source")
