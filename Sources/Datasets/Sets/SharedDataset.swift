/// The place and the properties of a process's examples, with which another process of the host can use them in place
/// while the first one holds them.
package struct SharedDataset: Codable {
  private let features: Storage
  private let probabilities: DenseStorage?
  private let classCount: Int
  private let classes: ClassMap?
  private let featureFiles: SetFiles?
  private let labelFiles: SetFiles?
  private let indices: SVMLight.Indices?
  private let tableColumns: TableColumns?
  private let kept: KeptRows?

  fileprivate enum Storage: Codable {
    case dense(DenseStorage)
    case sparse(SparseStorage)
  }

  /// The row starts and the offset of their ends, the columns and the values.
  fileprivate struct SparseStorage: Codable {
    let path: String
    let rows, columns: Int
    let element: FeatureMatrix.Element
    let starts: AlignedBuffer.Address
    let endOffset: Int
    let indices, values: AlignedBuffer.Address
  }

  fileprivate struct DenseStorage: Codable {
    let rows: Int
    let shape: [Int]
    let element: FeatureMatrix.Element
    let isSwapped: Bool
    let pieces: [Piece]
  }

  /// Rows of a dense matrix that are contiguous in memory.
  fileprivate struct Piece: Codable {
    let rows: Range<Int>
    /// The offset in bytes from the start of the memory or of the file.
    let offset: Int
    let memory: AlignedBuffer.Address?
    let file: MappedFile.Address?
  }

  /// nil where the memory cannot be shared, and where all of it is mapped files, which processes share anyway. Mapped
  /// files with probabilities are shared, so that one process of a host checks them.
  package init?(_ set: Dataset) {
    switch set.features {
    case .dense(let matrix):
      let isMapped = matrix.pieces.allSatisfy { $0.owner is MappedFile }
      guard !isMapped || set.probabilities != nil, let storage = DenseStorage(matrix) else { return nil }
      features = .dense(storage)
    case .sparse(let matrix):
      guard let whole = matrix.wholeStorage, let starts = whole.starts.address, let indices = whole.indices.address,
        let values = whole.values.address
      else { return nil }
      features = .sparse(
        SparseStorage(
          path: matrix.path, rows: matrix.rows, columns: matrix.columns, element: whole.element, starts: starts,
          endOffset: whole.endOffset, indices: indices, values: values))
    }
    probabilities = set.probabilities.flatMap { DenseStorage($0.values) }
    if set.probabilities != nil, probabilities == nil { return nil }
    classCount = set.classCount
    classes = set.classes
    featureFiles = set.featureFiles
    labelFiles = set.labelFiles
    indices = set.indices
    tableColumns = set.tableColumns
    kept = set.kept
  }

  /// The examples with these labels; nil where their memory cannot be mapped in this process.
  package func dataset(labels: [Int32]) -> Dataset? {
    guard let features = openFeatures() else { return nil }
    var set = Dataset(features: features, labels: labels, classCount: classCount, classes: classes)
    if let probabilities {
      guard let values = probabilities.open() else { return nil }
      set.probabilities = ClassProbabilities(checked: values)
    }
    (set.featureFiles, set.labelFiles, set.kept) = (featureFiles, labelFiles, kept)
    (set.indices, set.tableColumns) = (indices, tableColumns)
    return set
  }

  private func openFeatures() -> Features? {
    switch features {
    case .dense(let storage): storage.open().map { .dense($0) }
    case .sparse(let storage): storage.open().map { .sparse($0) }
    }
  }
}

extension SharedDataset.SparseStorage {
  fileprivate func open() -> SparseFeatures? {
    guard let starts = AlignedBuffer(starts), let indices = AlignedBuffer(indices), let values = AlignedBuffer(values)
    else { return nil }
    return SparseFeatures(
      path: path, rows: rows, columns: columns,
      SparseFeatures.Storage(element: element, starts: starts, endOffset: endOffset, indices: indices, values: values))
  }
}

extension SharedDataset.DenseStorage {
  /// nil where the memory cannot be shared.
  fileprivate init?(_ matrix: FeatureMatrix) {
    pieces = matrix.pieces.compactMap(SharedDataset.Piece.init)
    guard pieces.count == matrix.pieces.count else { return nil }
    (rows, shape, element, isSwapped) = (matrix.rows, matrix.shape, matrix.element, matrix.isSwapped)
  }

  fileprivate func open() -> FeatureMatrix? {
    let opened = pieces.compactMap { $0.open() }
    guard opened.count == pieces.count else { return nil }
    return FeatureMatrix(rows: rows, shape: shape, element: element, isSwapped: isSwapped, pieces: opened)
  }
}

extension SharedDataset.Piece {
  fileprivate init?(_ piece: FeatureMatrix.Piece) {
    let start: UnsafeRawPointer?
    switch piece.owner {
    case let buffer as AlignedBuffer:
      guard let address = buffer.address else { return nil }
      (memory, file, start) = (address, nil, UnsafeRawPointer(buffer.bytes.baseAddress))
    case let mapped as MappedFile:
      (memory, file, start) = (nil, mapped.address, mapped.bytes.baseAddress)
    default: return nil
    }
    rows = piece.rows
    offset = start.map { piece.base - $0 } ?? 0
  }

  fileprivate func open() -> FeatureMatrix.Piece? {
    if let memory, let buffer = AlignedBuffer(memory) {
      return FeatureMatrix.Piece(rows: rows, base: UnsafeRawPointer(buffer.bytes.baseAddress!) + offset, owner: buffer)
    }
    if let file, let mapped = MappedFile.open(file), let base = mapped.bytes.baseAddress {
      return FeatureMatrix.Piece(rows: rows, base: base + offset, owner: mapped)
    }
    return nil
  }
}

extension MappedFile {
  /// The information by which another process of the host finds a file and recognises it.
  struct Address: Codable {
    let path: String
    let place: UInt64
    let byteCount: Int
  }

  var address: Address { Address(path: path, place: file.place, byteCount: bytes.count) }

  /// Opens the file of another process; nil where it is missing or another one has taken its place.
  fileprivate static func open(_ address: Address) -> MappedFile? {
    guard let opened = try? MappedFile(address.path), opened.file.place == address.place,
      opened.bytes.count == address.byteCount
    else { return nil }
    return opened
  }
}
