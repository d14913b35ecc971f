// Compiles a folder of Python sources to byte-code of CPython 3.13, the functions' runtime on AWS, on a machine whose own
// Python is another: Pyodide is CPython 3.13 as WebAssembly, and byte-code depends on the version, not on the platform.
// Usage: node bytecode.mjs FOLDER (files are compiled in place; exits 1 and names the file that does not compile)
import { loadPyodide } from "pyodide";

try {
  const python = await loadPyodide();
  python.FS.mkdirTree("/var/task");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: process.argv[2] }, "/var/task");
  python.runPython(`
import compileall, py_compile, sys

if sys.version_info[:2] != (3, 13):
    raise SystemExit(f"this Pyodide is Python {sys.version}, and Lambda's is 3.13")
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
if not compileall.compile_dir("/var/task", quiet=1, force=True, invalidation_mode=UNCHECKED):
    raise SystemExit("not everything compiles")
`);
} catch (error) {
  console.error(error.message); // the stack would show a megabyte of generated JavaScript
  process.exit(1);
}
