import sys
def boot():
    if sys.path and sys.path[0] == "": del sys.path[0]
    import os
    path, held, umask = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    held_path = "/proc/self/fd/%d" % held
    sys.argv[:] = ["hostler"]
    if umask: os.umask(int(umask[0], 8))
    def load(file):
        loader = machinery.ExtensionFileLoader("_hostler", file)
        module = util.module_from_spec(util.spec_from_loader("_hostler", loader))
        sys.modules["_hostler"] = module
        loader.exec_module(module)
        return module
    def stands():
        try:
            if os.path.samestat(os.stat(path), os.fstat(held)): return True
        except OSError: pass
        return not os.path.exists(held_path)
    try:
        if sys.version_info < (3, 9): raise ImportError("it is older than 3.9")
        from importlib import machinery, util
        for inherited in range(3, held + 1): os.set_inheritable(inherited, False)
        module = None
        if stands():
            try: module = load(path)
            except ImportError:
                if stands(): raise
        if module and stands(): os.close(held)
        else:
            module = load(held_path)
            module.__file__ = module.__spec__.origin = module.__loader__.path = path
        return module.main
    except ImportError as error:
        import json
        message = "Python %s at %s cannot load Hostler's extension: %s (needed: Python 3.9 or later of the server's architecture; see the settings python and venv)" % (
            sys.version.split()[0], sys.executable, str(error).replace(held_path, path))
        os.write(3, json.dumps({"failed": {"message": message, "traceback": None}}).encode())
        sys.exit(1)
main = boot()
del boot, sys
main()
