import Datasets

/// Writes a safetensors file piece by piece, which appears at its path with `finish()`. A failure to write waits for that, so
/// that ranks can pass their pieces on.
final class SafetensorsWriter {
  /// The name of the file until then.
  let temporary: String
  private let header: [UInt8]
  private var file: AtomicFile?
  private var failure: StorageError?
  private var checksum = CRC32()

  /// Begins the file, with `stamp` in the place of its header.
  ///
  /// - Parameter header: with zeros for the checksum.
  init(_ path: String, _ header: [UInt8], stamp: [UInt8] = []) throws(StorageError) {
    let bytes = Safetensors.lengthBytes(of: header) + header
    precondition(stamp.count <= bytes.count, "a stamp hides no data")
    self.header = bytes
    var file = try AtomicFile(path)
    temporary = file.temporary
    try file.write(stamp + [UInt8](repeating: 0, count: bytes.count - stamp.count))
    self.file = consume file
    checksum.update(bytes.span.bytes)
  }

  /// Appends numbers of tensors.
  func write(_ bytes: [UInt8]) {
    checksum.update(bytes.span.bytes)
    if failure != nil { return }
    do throws(StorageError) { try file!.write(bytes) } catch { failure = error }
  }

  /// Goes on behind bytes that another rank has written.
  func skip(_ count: Int, checksum other: UInt32) { checksum.append(other, of: count) }

  /// Puts the file in its place, with its header.
  func finish() throws(StorageError) {
    if let failure { throw failure }
    var header = header
    header.replaceSubrange(
      8 + Safetensors.checksumRange.lowerBound..<8 + Safetensors.checksumRange.upperBound, with: checksum.digits)
    try header.span.bytes.withUnsafeBytes { bytes throws(StorageError) in try file!.write(bytes, at: 0) }
    try file.take()!.commit()
  }
}
