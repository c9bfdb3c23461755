import sys
def boot():
    if sys.path and sys.path[0] == "": del sys.path[0]
    import os
    extension, umask = sys.argv[1], sys.argv[2:]
    sys.argv[:] = ["hostler"]
    if umask: os.umask(int(umask[0], 8))
    try:
        if sys.version_info < (3, 9): raise ImportError("it is older than 3.9")
        from importlib import machinery, util
        loader = machinery.ExtensionFileLoader("_hostler", extension)
        module = util.module_from_spec(util.spec_from_loader("_hostler", loader))
        sys.modules["_hostler"] = module
        loader.exec_module(module)
        return module.main
    except ImportError as error:
        import json
        message = "Python %s at %s cannot load Hostler's extension: %s (needed: Python 3.9 or later of the server's architecture; see the settings python and venv)" % (
            sys.version.split()[0], sys.executable, error)
        os.write(3, json.dumps({"failed": {"message": message, "traceback": None}}).encode())
        sys.exit(1)
main = boot()
del boot, sys
main()
