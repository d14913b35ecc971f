// Imports modules of an unzipped bundle in a real CPython 3.13 (Pyodide) and prints, as JSON, what each was loaded from.
// Usage: node import_as_lambda.mjs PYODIDE FOLDER MODULE...
const [pyodide, folder, ...modules] = process.argv.slice(2);
try {
  const { loadPyodide } = await import(pyodide);
  const python = await loadPyodide();
  python.FS.mkdirTree("/var/task");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, "/var/task");
  python.globals.set("names", modules.join(" "));
  console.log(
    python.runPython(`
import importlib, importlib.machinery, json, sys

recompiled = []

class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, source, path, **options):
        recompiled.append(str(path))
        return super().source_to_code(source, path, **options)

sys.path_hooks.insert(0, importlib.machinery.FileFinder.path_hook((Loader, [".py"])))
sys.path_importer_cache.clear()
sys.path.insert(0, "/var/task")
for name in names.split():
    importlib.import_module(name)
loaded = [m.__cached__ for m in list(sys.modules.values()) if (getattr(m, "__file__", "") or "").startswith("/var/task")]
json.dumps({"python": list(sys.version_info[:2]), "recompiled": recompiled, "loaded": loaded})
`),
  );
} catch (error) {
  console.error(error.message); // the stack would show a megabyte of generated JavaScript
  process.exit(1);
}
