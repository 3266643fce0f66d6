"""Video files on a real Spark server and a lake of their own."""
