/// How files of arrays are read.
package struct ArrayOptions {
  package var format: DataFormat
  /// Whether the values of sparse archives are stored with their zeros.
  package var storage: FeatureStorage
  /// The type of these values, `float32` or `float64`.
  package var element: FeatureMatrix.Element

  package init(
    format: DataFormat = .auto, storage: FeatureStorage = .auto, element: FeatureMatrix.Element = .float32
  ) {
    (self.format, self.storage, self.element) = (format, storage, element)
  }

  /// The examples of files: arrays mapped in place, sparse archives in memory. Throws exit code 65, 66 or 74.
  ///
  /// - Parameter columns: the number of columns of sparse archives, where it is known.
  package func features(
    _ paths: [String], columns: Int? = nil
  ) throws(DataError) -> (features: Features, files: SetFiles) {
    if try SparseArchive.isSparse(paths[0]) {
      let (sparse, files) = try SparseArchive.read(paths: paths, columns: columns, element: element)
      return (storage.isSparse(sparse) ? .sparse(sparse) : .dense(try sparse.dense()), files)
    }
    let parts = try paths.map { path throws(DataError) in try FeatureMatrix(path: path, format: format) }
    try FeatureMatrix.checkKinds(parts.map(\.kind), paths)
    return (.dense(FeatureMatrix(joining: parts)), SetFiles(zip(paths, parts).map { ($0, $1.rows) }))
  }
}
