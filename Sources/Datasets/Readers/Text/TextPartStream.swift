/// The lines of text files, one file after another, block by block.
final class TextPartStream {
  let paths: [String]
  /// Bytes of a block, unless a line is longer.
  private let blockSize: Int
  private let versions: [DataFile.Version]
  private var stream: TextStream?
  /// The index of the current file.
  private(set) var file = 0
  /// The number of the file's lines before the next block.
  private var line = 0

  /// Throws exit code 66 for a file that cannot be read, 65 for one that is empty or in an unsupported compression.
  init(_ paths: [String], blockSize: Int) throws(DataError) {
    self.paths = paths
    self.blockSize = blockSize
    versions = try paths.map { path throws(DataError) in try TextStream(path, blockSize: 0).version }
  }

  /// Restarts at the first line of the first file.
  func rewind() { (stream, file, line) = (nil, 0, 0) }

  /// The fraction of the files' bytes that has been read, from 0 to 1.
  var fractionDone: Double {
    let done = versions[..<file].reduce(0) { $0 + $1.size }
    let size = file < paths.count ? Double(versions[file].size) * (stream?.fractionDone ?? 0) : 0
    return (Double(done) + size) / Double(versions.reduce(0) { $0 + $1.size })
  }

  /// The next lines, all of one file, with the bytes `mark` counted; nil at the end. Valid until the next call.
  ///
  /// Throws exit code 65 for a file that is damaged or has changed since the start, 74 for one that the system fails to
  /// read.
  func next(counting mark: UInt8? = nil) throws(DataError) -> [TextPart]? {
    while file < paths.count {
      if stream == nil {
        let opened = try TextStream(paths[file], blockSize: blockSize)
        guard opened.version == versions[file] else { throw DataFile.changed(paths[file]) }
        (stream, line) = (opened, 0)
      }
      if let text = try stream?.next() {
        let chunks = text.wholeLines(size: max(1, blockSize / 16))
        let parts = TextPart.parts(of: chunks, paths[file], line: line, counting: mark)
        line += parts.lineCount
        return parts
      }
      stream = nil
      file += 1
    }
    return nil
  }
}
