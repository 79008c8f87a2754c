"""The images of files, folders and tables, with their labels, wherever pyarrow reads them."""
