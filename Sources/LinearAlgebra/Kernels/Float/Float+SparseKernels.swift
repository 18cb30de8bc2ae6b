internal import CKernels

@_documentation(visibility: internal)
extension Float: SparseKernels {
  public static func sparseProduct(
    starts: UnsafePointer<Int>, columns: UnsafePointer<Int32>, values: UnsafePointer<Self>, rows: Int,
    _ w: UnsafePointer<Self>, _ n: Int, into y: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_product_f32(starts, columns, values, rows, w, n, y)
  }

  public static func sparseTransposedProduct(
    columns: UnsafePointer<Int32>, starts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>,
    count: Int, factors: UnsafePointer<Self>?, _ d: UnsafePointer<Self>, _ n: Int,
    into g: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_transposed_product_f32(columns, starts, rows, values, count, factors, d, n, g)
  }

  public static func sparseDots(
    rowStarts: UnsafePointer<Int>, places: UnsafePointer<Int32>, rowValues: UnsafePointer<Self>, count: Int,
    columnStarts: UnsafePointer<Int>, rows: UnsafePointer<Int32>, values: UnsafePointer<Self>, _ range: Range<Int>,
    into y: UnsafeMutablePointer<Self>
  ) {
    fgn_sparse_dots_f32(
      rowStarts, places, rowValues, count, columnStarts, rows, values, range.lowerBound, range.upperBound, y)
  }
}
