import Glibc

/// The output of commands whose text is what they are run for.
package enum StandardOutput {
  /// Writes a line, or several. Throws exit code 74 if they do not arrive: the disk is full, or nobody reads any more.
  package static func print(_ text: some CustomStringConvertible) throws(StorageError) {
    try Array("\(text)\n".utf8).span.bytes.writeAll(to: STDOUT_FILENO, path: "standard output")
  }

  /// Occupies the numbers of standard streams that are closed: a file that got one would be written to by mistake. Local;
  /// before any file is opened.
  package static func reserveDescriptors() {
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
      // For the wrong direction, so that using it stays an error. It gets the lowest number that is free.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
