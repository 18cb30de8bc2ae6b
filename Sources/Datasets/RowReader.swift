internal import CMemory
import Dispatch
import Glibc
import Synchronization

/// Reads rows of mapped files into memory of its own, on other threads, and past the memory that the system keeps of files:
/// where a set does not stay there, to make room for pages and to map them takes longer than to read them.
package final class RowReader: Sendable {
  private let source: Source
  private let state = Mutex(State())
  private let group = DispatchGroup()
  private let queue = DispatchQueue(label: "read rows", attributes: .concurrent)

  /// Nobody writes to what it points to.
  private struct Source: @unchecked Sendable { let matrix: FeatureMatrix }

  private struct State {
    var room = Room(byteCount: 0)
    /// Of what has been asked for.
    var pieces: [FeatureMatrix.Piece] = []
    var failure: DataError?
  }

  /// Consecutive rows in a file, with the pages around them.
  private struct Read: @unchecked Sendable {
    let file: DataFile
    /// Both a multiple of a page.
    let offset: Int
    let target: UnsafeMutableRawBufferPointer
    /// Bytes of `target` that the file must have.
    let needed: Int
  }

  package init(_ matrix: FeatureMatrix) { source = Source(matrix: matrix) }

  /// Begins to read rows; what was read before is gone.
  package func begin(_ rows: [Int]) {
    group.wait()
    let reads = state.withLock { plan(rows, &$0) }
    for read in reads {
      queue.async(group: group) { [self] in
        do throws(DataError) {
          try read.file.readPages(into: read.target, at: read.offset, needed: read.needed)
        } catch {
          state.withLock { $0.failure = $0.failure ?? error }
        }
      }
    }
  }

  /// The rows of the last call of `begin`, in their order, until the next one. Throws exit code 65 or 74.
  package func finish() throws(DataError) -> FeatureMatrix {
    group.wait()
    let (pieces, failure) = state.withLock { ($0.pieces, $0.failure) }
    if let failure { throw failure }
    let matrix = source.matrix
    return FeatureMatrix(
      rows: pieces.last?.rows.upperBound ?? 0, shape: matrix.shape, element: matrix.element, pieces: pieces)
  }

  /// Where each run of consecutive rows is to be, and how it is read. What is in memory stays there.
  private func plan(_ rows: [Int], _ state: inout State) -> [Read] {
    let (matrix, size) = (source.matrix, source.matrix.rowSize)
    (state.pieces, state.failure) = ([], nil)
    var runs: [(piece: Int, file: MappedFile, lead: Int, pages: Range<Int>)] = []
    var (first, total) = (0, 0)
    while first < rows.count {
      let piece = matrix.pieces[matrix.pieces.index(of: rows[first])]
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

extension DataFile {
  /// Fills `target` with the bytes from `offset` on, of which there are at least `needed`; all are multiples of a page but
  /// that. The file need not be open. Throws exit code 65 for a file that was written to, 66 for one that is gone, 74 for
  /// one that the system fails to read.
  fileprivate func readPages(into target: UnsafeMutableRawBufferPointer, at offset: Int, needed: Int) throws(DataError)
  {
    // Not all file systems can read past the memory that the system keeps of files.
    for flags in [fgn_direct_flag(), 0] {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags)
      if descriptor < 0, flags != 0 { continue }
      defer { close(descriptor) }
      guard descriptor >= 0 else { throw .unreadable(path, "cannot be opened any more (\(errorText())); put it back") }
      guard version == Version(descriptor) else { throw Self.changed(path) }
      let (count, isFailure) = readAll(into: target, from: descriptor, at: offset)
      if count >= needed { return }
      if flags != 0 { continue }
      guard isFailure else { throw Self.changed(path) }
      throw DataError(
        path: path, message: "cannot be read at byte \(offset + count) (\(errorText())); check the file system",
        exitCode: 74)
    }
  }
}

/// Memory that begins at a page.
private final class Room: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: pageSize) }

  deinit { bytes.deallocate() }
}
