import Glibc
import LinearAlgebra

/// A text file, mapped or unpacked in memory, as lines that can be distributed to threads.
final class TextFile {
  let path: String
  /// All lines that end with a newline in the file.
  private let lines: UnsafeBufferPointer<UInt8>
  /// The last line and an added newline, if the file lacks one there; otherwise empty.
  private let lastLine: UnsafeMutableBufferPointer<UInt8>
  /// The text with newlines in place of lone carriage returns; empty where lines end otherwise.
  private let converted: UnsafeMutableBufferPointer<UInt8>
  /// The object that keeps `lines` alive.
  private let owner: AnyObject?

  /// Throws exit code 66 for a file that cannot be read, 65 for one that is empty, damaged, or unpacks to more than
  /// memory holds.
  convenience init(_ path: String) throws(DataError) {
    let file = try MappedFile(path)
    if let compression = Compression(file.bytes) {
      let unpacked = try UnpackedText(file.file, compression)
      try self.init(path, unpacked.bytes, owner: unpacked)
    } else {
      try self.init(path, file.bytes, owner: file)
    }
  }

  /// Text in memory, which must outlive this object.
  convenience init(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(DataError) {
    try self.init(name, bytes, owner: nil)
  }

  private init(_ path: String, _ bytes: UnsafeRawBufferPointer, owner: AnyObject?) throws(DataError) {
    self.path = path
    self.owner = owner
    var text = Self.withoutByteOrderMark(bytes.bindMemory(to: UInt8.self))
    let hasReturns = CarriageReturns.endFirstLine(of: text, isAll: true) == true
    converted = .allocate(capacity: hasReturns ? text.count : 0)
    if hasReturns {
      _ = converted.initialize(fromContentsOf: text)
      CarriageReturns.replace(in: converted, isAll: true)
      text = UnsafeBufferPointer(converted)
    }
    let lastNewline = text.lastIndex(of: Self.newline)
    let count = lastNewline.map { $0 + 1 } ?? 0
    lines = UnsafeBufferPointer(rebasing: text[..<count])
    let rest = text[count...]
    lastLine = .allocate(capacity: rest.isEmpty ? 0 : rest.count + 1)
    if !rest.isEmpty {
      _ = lastLine.initialize(fromContentsOf: rest)
      lastLine.initializeElement(at: rest.count, to: Self.newline)
    }
    if text.isEmpty { throw .badContents(path, "is empty; copy the file again") }
    try PackedFile.refuse(path, bytes)
  }

  deinit {
    lastLine.deallocate()
    converted.deallocate()
  }

  /// The text in pieces of whole lines, as `wholeLines` cuts it; they live as long as this object.
  func chunks(size: Int) -> [UnsafeBufferPointer<UInt8>] {
    lines.wholeLines(size: size) + (lastLine.isEmpty ? [] : [UnsafeBufferPointer(lastLine)])
  }

  static func withoutByteOrderMark(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    text.starts(with: byteOrderMark) ? .init(rebasing: text.dropFirst(byteOrderMark.count)) : text
  }

  /// Bytes of text per task of a thread.
  static let chunkSize = 1 << 20
  static let newline = UInt8(ascii: "\n")
  private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
}

extension UnsafeBufferPointer<UInt8> {
  /// Cuts lines into pieces of whole lines with at least `size` bytes each, except for the last piece. The text must
  /// end with a newline.
  func wholeLines(size: Int) -> [UnsafeBufferPointer<UInt8>] {
    var pieces: [UnsafeBufferPointer<UInt8>] = []
    var start = 0
    while start < count {
      let last = Swift.min(start + Swift.max(1, size), count) - 1
      let newline = memchr(baseAddress! + last, Int32(TextFile.newline), count - last)!
      let end = UnsafeRawPointer(newline) - UnsafeRawPointer(baseAddress!) + 1
      pieces.append(UnsafeBufferPointer(rebasing: self[start..<end]))
      start = end
    }
    return pieces
  }
}

/// The unpacked contents of a compressed file, whose size is known only at its end.
private final class UnpackedText {
  private(set) var bytes: UnsafeRawBufferPointer
  private var storage: UnsafeMutableRawPointer?

  init(_ file: DataFile, _ compression: Compression) throws(DataError) {
    bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    let stream = CompressedStream(file, compression)
    var capacity = max(1 << 16, 4 * file.size)
    var filled = 0
    while true {
      guard filled <= MemoryLimit.bytes, let grown = realloc(storage, capacity) else {
        throw .badContents(file.path, "unpacks to more than \(filled) bytes, for which the system has no memory")
      }
      storage = grown
      filled += try stream.read(into: UnsafeMutableRawBufferPointer(start: grown + filled, count: capacity - filled))
      if filled < capacity { break }
      capacity *= 2
    }
    bytes = UnsafeRawBufferPointer(start: storage, count: filled)
  }

  deinit { free(storage) }
}
