#include "config/config.h"
#include "config/documents.h"
#include "config/tables.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `sallyport docs reference` from the tables that the program itself reads. `make docs` "
    "renews it. -->\n"
    "\n"
    "Sallyport reads YAML. `sallyport check FILE` names every mistake with file, line and column, and prints "
    "what is in\n"
    "force where there is none; `sallyport diff OLD NEW` says who gains and who loses access. Unknown keys "
    "are errors.\n"
    "An editor that knows JSON Schema completes and checks while you type with `sallyport docs schema`.\n"
    "\n"
    "## How files and layers are put together\n"
    "\n"
    "* `include` takes paths and patterns, relative to the file that it stands in. Overlays are given with "
    "`--overlay FILE`,\n"
    "  in their order, and are laid over the whole.\n"
    "* A route takes each value from the nearest layer that gives it. From the farthest to the nearest: "
    "`defaults`, the\n"
    "  policies that these `use`, the policies that the group uses, the group's own keys, the policies that "
    "the route uses,\n"
    "  the route's own keys.\n"
    "* Maps merge key by key. Lists replace, except where the table says that they add.\n"
    "* A policy with `locked: true` may only be tightened by the layers above it. Where the table does not "
    "say what tighter\n"
    "  is, a locked value cannot be changed at all.\n"
    "* A file that begins with `team: NAME` is held to what `teams` allows that team: its hosts, paths and "
    "policies, and\n"
    "  public routes only where these are allowed.\n"
    "* Nothing is public unless a route says `auth: none`.\n"
    "\n"
    "## Values\n"
    "\n"
    "| type | how it is written |\n"
    "| --- | --- |\n"
    "| duration | a number and a unit: `us`, `ms`, `s`, `m`, `h`, `d`; from large to small, as in `1h30m` |\n"
    "| size | a number and a unit: `B`, `KiB`, `MiB`, `GiB` |\n"
    "| rate | a number per duration: `1000/1m`; `10/s` is `10/1s` |\n"
    "| file | a path, relative to the file that it stands in |\n"
    "| secret | never the secret itself: `${env:NAME}` or `${file:/run/secrets/name}`; a file is read again "
    "when it changes |\n"
    "| text | as it stands. Where a host, a path or a header is named, what is a boolean or a number in YAML "
    "counts as a "
    "slip; in quotes, as in `'12'`, it is meant |\n"
    "| list of texts | `[a, b]`; a single text stands for a list of one |\n"
    "| name | a key that you choose: letters, digits, `-`, `_`, `.` |\n"
    "\n"
    "Everything is taken up by a reload (`SIGHUP`) unless it says that it takes a restart; `sallyport "
    "upgrade` takes that up\ntoo, without closing a socket.\n";

void config_print_reference(struct buffer *out)
{
    buffer_append(out, slice_from_string(introduction));
    reference_write(&config_object, out);
}

void config_print_schema(struct buffer *out)
{
    schema_write(&config_object, out);
}
