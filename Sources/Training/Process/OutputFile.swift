/// A text file among several outputs of one command: all of them are complete before the first appears.
package final class OutputFile {
  /// Nil once it is in its place.
  private var file: AtomicFile?

  /// Opens a temporary beside `path`, which goes away with this object unless it is committed. Throws exit code 74.
  package init(_ path: String) throws(StorageError) { file = try AtomicFile(path) }

  /// Writes the whole text to the disk. Throws exit code 74.
  package func complete(_ text: String) throws(StorageError) {
    try file!.write(text)
    try file!.flush()
  }

  /// Puts the complete file in its place. Throws exit code 74.
  package func commit() throws(StorageError) {
    guard let file = file.take() else { preconditionFailure("the file is in its place") }
    try file.commit()
  }
}
