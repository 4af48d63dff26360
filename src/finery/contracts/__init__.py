"""Types and rules that the server, trainers, engines and the client share; nothing of databases and HTTP."""
