/// Where the examples of a process are in its memory, and what they are: enough for another process of the host to use them
/// in place, as long as the first one holds them.
package struct SharedDataset: Codable {
  private let path: String
  private let rows: Int
  private let shape: [Int]
  private let element: FeatureMatrix.Element
  /// Of dense rows the values; of sparse ones where they start, their columns and their values.
  private let buffers: [AlignedBuffer.Address]
  private let classCount: Int
  private let classes: ClassMap?

  /// nil where the features are no memory that can be shared: those of a mapped file are shared without this.
  package init?(_ set: Dataset) {
    let buffers: [AlignedBuffer]
    switch set.features {
    case .dense(let matrix):
      guard let buffer = matrix.owner as? AlignedBuffer, matrix.base == UnsafeRawPointer(buffer.bytes.baseAddress!)
      else { return nil }
      buffers = [buffer]
      path = ""
    case .sparse(let matrix):
      guard let whole = matrix.wholeStorage else { return nil }
      buffers = whole
      path = matrix.path
    }
    let addresses = buffers.compactMap(\.address)
    guard addresses.count == buffers.count else { return nil }
    self.buffers = addresses
    rows = set.features.rows
    shape = set.features.shape
    element = set.features.element
    classCount = set.classCount
    classes = set.classes
  }

  /// The examples, with their labels; nil where their memory cannot be mapped here.
  package func dataset(labels: [Int32]) -> Dataset? {
    let buffers = buffers.compactMap { AlignedBuffer($0) }
    guard buffers.count == self.buffers.count else { return nil }
    let features: Features
    if buffers.count == 1 {
      features = .dense(FeatureMatrix(rows: rows, shape: shape, element: element, owner: buffers[0]))
    } else {
      features = .sparse(
        SparseFeatures(
          path: path, rows: rows, columns: shape[0], element: element, starts: buffers[0], indices: buffers[1],
          values: buffers[2]))
    }
    return Dataset(features: features, labels: labels, classCount: classCount, classes: classes)
  }
}
