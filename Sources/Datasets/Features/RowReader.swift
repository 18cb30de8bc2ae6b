internal import CSystem
import Dispatch
import Glibc
import Synchronization

/// Reads rows of mapped files into private memory, on other threads and bypassing the page cache. For a set that does
/// not stay in memory, making room for pages and mapping them takes longer than reading them.
package final class RowReader: Sendable {
  /// Nobody writes to the memory that it points to.
  nonisolated(unsafe) private let source: FeatureMatrix
  private let state = Mutex(State())
  private let group = DispatchGroup()
  private let queue = DispatchQueue(label: "read rows", attributes: .concurrent)

  private struct State {
    var room = Room(byteCount: 0)
    /// The pieces of the requested rows.
    var pieces: [FeatureMatrix.Piece] = []
    var failure: DataError?
    /// The files that are open past the page cache, by their mapped files.
    var files: [ObjectIdentifier: OpenFile] = [:]
  }

  /// Several threads may read from the file at once.
  private struct OpenFile: Sendable { nonisolated(unsafe) let file: DataFile }

  /// Consecutive rows in a file, with the pages around them.
  private struct Read {
    let file: DataFile
    /// Offset and length are multiples of a page.
    let offset: Int
    let target: UnsafeMutableRawBufferPointer
    /// The number of bytes that the file must provide.
    let needed: Int
  }

  /// The limit of open files: a process has few descriptors, and a set may have many files.
  private static var mostFiles: Int { 32 }

  package init(_ matrix: FeatureMatrix) { source = matrix }

  /// Starts reading rows; the previous rows become invalid.
  package func begin(_ rows: [Int]) {
    group.wait()
    let reads = state.withLock { plan(rows, &$0) }
    for read in reads {
      // Each read has a part of the room for itself, and this object keeps the room.
      nonisolated(unsafe) let read = read
      queue.async(group: group) { [self] in
        do throws(DataError) {
          try perform(read)
        } catch {
          state.withLock { $0.failure = $0.failure ?? error }
        }
      }
    }
  }

  /// Waits for the rows of the last call of `begin`, in their order; valid until the next `begin`. Throws exit code 65,
  /// 66 or 74.
  package func finish() throws(DataError) -> FeatureMatrix {
    group.wait()
    let (pieces, failure) = state.withLock { ($0.pieces, $0.failure) }
    if let failure { throw failure }
    if pieces.isEmpty { return source[rows: 0..<0] }
    return source.like(rows: pieces.last!.rows.upperBound, pieces)
  }

  /// Throws exit code 65, 66 or 74.
  private func perform(_ read: Read) throws(DataError) {
    // Not all file systems can bypass the page cache, and some refuse only when they read.
    if let known = open(read.file) {
      do throws(DataError) {
        return try known.file.read(into: read.target, at: read.offset, needed: read.needed)
      } catch {}
    }
    try read.file.reopened().read(into: read.target, at: read.offset, needed: read.needed)
  }

  /// The file, opened past the page cache; nil where that is not possible.
  private func open(_ file: DataFile) -> OpenFile? {
    if let known = state.withLock({ $0.files[ObjectIdentifier(file)] }) { return known }
    guard let opened = (try? file.reopened(flags: fgn_direct_flag())).map({ OpenFile(file: $0) }) else { return nil }
    return state.withLock { state in
      // Files with reads under way are closed after these reads.
      if state.files.count == Self.mostFiles { state.files = [:] }
      state.files[ObjectIdentifier(file)] = opened
      return opened
    }
  }

  /// The target of each run of consecutive rows, and the reads that fill it. Rows in memory stay in place.
  private func plan(_ rows: [Int], _ state: inout State) -> [Read] {
    let size = source.rowSize
    (state.pieces, state.failure) = ([], nil)
    var runs: [(piece: Int, file: MappedFile, lead: Int, pages: Range<Int>)] = []
    var (first, total) = (0, 0)
    while first < rows.count {
      let piece = source.pieces[source.pieces.index(of: rows[first])]
      var end = first + 1
      while end < rows.count, rows[end] == rows[end - 1] + 1, rows[end] < piece.rows.upperBound { end += 1 }
      let base = piece.base + (rows[first] - piece.rows.lowerBound) * size
      if let file = piece.owner as? MappedFile {
        let offset = base - file.bytes.baseAddress!
        let lead = offset % pageSize
        let length = (lead + (end - first) * size + pageSize - 1) / pageSize * pageSize
        runs.append((state.pieces.count, file, lead, offset - lead..<offset - lead + length))
        total += length
      }
      state.pieces.append(FeatureMatrix.Piece(rows: first..<end, base: base, owner: piece.owner))
      first = end
    }
    if state.room.bytes.count < total { state.room = Room(byteCount: total) }
    var position = 0
    return runs.map { index, file, lead, pages in
      let target = UnsafeMutableRawBufferPointer(rebasing: state.room.bytes[position..<position + pages.count])
      position += pages.count
      let rows = state.pieces[index].rows
      state.pieces[index] = FeatureMatrix.Piece(
        rows: rows, base: UnsafeRawPointer(target.baseAddress! + lead), owner: state.room)
      return Read(file: file.file, offset: pages.lowerBound, target: target, needed: lead + rows.count * size)
    }
  }
}

/// Memory that begins at a page boundary.
private final class Room {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: pageSize) }

  deinit { bytes.deallocate() }
}
