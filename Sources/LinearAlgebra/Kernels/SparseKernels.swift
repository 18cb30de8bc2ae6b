/// Products of compressed sparse rows. A family of `BLASScalar`.
@_documentation(visibility: internal)
public protocol SparseKernels: BinaryFloatingPoint {
  /// y ← y + X w, where row r of X has the entries `starts`_r ..< `starts`_(r+1).
  static func sparseProduct(
    starts: UnsafePointer<Int>, columns: UnsafePointer<Int32>, values: UnsafePointer<Self>, rows: Int,
    _ w: UnsafePointer<Self>, _ n: Int, into y: UnsafeMutablePointer<Self>)
  /// Rows of g ← Xᵀ diag(factors) d, for the `count` columns of X that have entries.
  static func sparseTransposedProduct(
    columns: UnsafePointer<Int32>, starts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>,
    count: Int, factors: UnsafePointer<Self>?, _ d: UnsafePointer<Self>, _ n: Int,
    into g: UnsafeMutablePointer<Self>)
  /// y ← the inner products of `count` rows of X with its rows `range`.
  static func sparseDots(
    rowStarts: UnsafePointer<Int>, places: UnsafePointer<Int32>, rowValues: UnsafePointer<Self>, count: Int,
    columnStarts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>, _ range: Range<Int>,
    into y: UnsafeMutablePointer<Self>)
}
