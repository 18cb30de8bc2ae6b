import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

/// Sparse matrices of SciPy, against their dense form.
@Suite struct SparseArchiveTests {
  let directory = try! TemporaryDirectory()

  /// 3 × 5, with columns out of order, a stored zero, and an empty row.
  static func archive(
    shape: [Int] = [3, 5], starts: [Int] = [0, 3, 3, 5], indices: [Int] = [4, 0, 2, 1, 3],
    values: [Double] = [1.5, -2, 0, 3, 0.25], format: String = "csr", isWide: Bool = false, isDeflated: Bool = false
  ) -> [UInt8] {
    SparseArchiveFile.bytes(
      shape: shape, starts: starts, indices: indices, values: values, format: format, isWide: isWide,
      isDeflated: isDeflated)
  }

  static let dense = [-2, 0, 0, 0, 1.5, 0, 0, 0, 0, 0, 0, 3, 0, 0.25, 0]

  @Test func `Rows are those of the matrix`() throws {
    for (isWide, isDeflated) in [(false, false), (true, false), (false, true)] {
      let path = directory.write(Self.archive(isWide: isWide, isDeflated: isDeflated), "X.npz")
      #expect(try SparseArchive.isSparse(path))
      for element in [FeatureMatrix.Element.float32, .float64] {
        let (sparse, files) = try SparseArchive.read(paths: [path], element: element)
        #expect(values(of: try sparse.dense()) == Self.dense && sparse.element == element)
        // A zero is not stored.
        #expect(sparse.valueCount == 4 && files.rows == 3)
      }
    }
  }

  @Test func `Files of a set follow one another`() throws {
    let paths = [
      directory.write(Self.archive(), "a.npz"),
      directory.write(Self.archive(shape: [1, 5], starts: [0, 1], indices: [2], values: [7]), "b.npz"),
    ]
    let (sparse, files) = try SparseArchive.read(paths: paths, element: .float64)
    #expect(values(of: try sparse.dense()) == Self.dense + [0, 0, 7, 0, 0])
    #expect(files.place(of: 3) == (paths[1], 0))
  }

  @Test func `A set has labels beside it, and its storage is a choice`() throws {
    let path = directory.write(Self.archive(), "X.npz")
    let labels = directory.write(Fixtures.labelsI8, "y.npy")
    for (storage, isSparse) in [(FeatureStorage.auto, false), (.sparse, true), (.dense, false)] {
      let set = try Dataset(features: FileList(path), labels: FileList(labels), ArrayOptions(storage: storage))
      #expect(set.features.isSparse == isSparse && set.labels == [2, 0, 1] && set.featureCount == 5)
    }
  }

  @Test func `Archives of other arrays are none`() throws {
    #expect(try !SparseArchive.isSparse(directory.write(ContainerTests.npz(), "all.npz")))
    #expect(try !SparseArchive.isSparse(directory.write(Fixtures.labelsI8, "y.npy")))
    #expect(try !SparseArchive.isSparse(directory.write([1, 2], "two-bytes")))
  }

  static let faults: [(archive: [UInt8], words: String)] = [
    (archive(format: "coo"), "tocsr()"),
    (archive(starts: [0, 3, 3, 4]), "damaged"),
    (archive(starts: [0, 3, 2, 5]), "damaged"),
    (archive(starts: [0, 3, 5]), "damaged"),
    (archive(starts: [1, 3, 3, 5]), "damaged"),
    (archive(values: [1, 2, 3, 4]), "damaged"),
    (archive(indices: [4, 0, 5, 1, 3], values: [1, 1, 1, 1, 1]), "example 0 has a value in column 5"),
    (archive(indices: [4, 0, 2, -1, 3]), "example 2 has a value in column -1"),
    (archive(indices: [4, 0, 4, 1, 3], values: [1, 1, 1, 1, 1]), "column 4 twice"),
    (archive(shape: [0, 5], starts: [0], indices: [], values: []), "no examples"),
    (archive(shape: [3, 5], starts: [0, 0, 0, 0], indices: [], values: []), "no values"),
    (archive(shape: [3, 5, 1]), "'shape'"),
    (archive(shape: [3, 1 << 40]), "columns"),
  ]

  @Test(arguments: faults.indices) func `A damaged matrix is refused`(index: Int) throws {
    let (archive, words) = Self.faults[index]
    let path = directory.write(archive, "X.npz")
    let error = dataError { _ = try SparseArchive.read(paths: [path], element: .float32) }
    #expect(error?.exitCode == 65 && "\(error!)".contains(words), "\(error.map { "\($0)" } ?? "taken")")
  }

  @Test func `The width is that of the training set`() throws {
    let path = directory.write(Self.archive(), "X.npz")
    let error = dataError { _ = try SparseArchive.read(paths: [path], columns: 6, element: .float32) }
    #expect(error?.exitCode == 65 && "\(error!)".contains("5 columns"))
  }
}
