/// U with UᵀU = A + λI, for symmetric positive definite matrices A. Computed by blocks, on all threads.
///
/// The upper triangle suits the kernels of BLAS better than the lower one, and so do rows that are not a power of two
/// apart.
public final class CholeskyFactor<Scalar: BLASScalar> {
  private var storage = Vector<Scalar>(zeros: 0)
  private var size = 0
  /// The distance between the beginnings of rows, in numbers.
  private var pitch: Int { Self.pitch(size) }

  /// The size up to which LAPACK's own routine is as fast.
  private static var leaf: Int { 64 }

  public init() {}

  private static func pitch(_ size: Int) -> Int { (size + 15) / 16 * 16 + 16 }

  /// Numbers in the factor of a matrix of `size` rows.
  package static func count(size: Int) -> Int { size * pitch(size) }

  /// Factorises a + shift·I, or its first `count` rows and columns; reads the upper triangle only. Returns false if a
  /// pivot is not positive.
  public func factorize<Source: BLASScalar>(_ a: Matrix<Source>, first count: Int? = nil, shift: Scalar) -> Bool {
    precondition(a.rows == a.columns && count ?? 0 <= a.rows, "only a square matrix has a Cholesky factor")
    size = count ?? a.rows
    storage.grow(to: Self.count(size: size))
    assign(a, shift: shift)
    return factorize(0..<size)
  }

  /// b ← (A + λI)⁻¹ b
  public func solve(_ b: Vector<Scalar>) {
    precondition(b.count == size, "shapes of the system do not fit")
    if size == 0 { return }
    storage.withElements { u in
      b.withElements { b in
        for op in [Transpose.yes, .no] {
          Scalar.trsv(.upper, op, n: Int32(size), a: u.baseAddress!, lda: Int32(pitch), x: b.baseAddress!)
        }
      }
    }
  }

  /// The upper triangle ← the upper triangle of a + shift·I.
  @specialized(where Scalar == Float, Source == Float)
  @specialized(where Scalar == Double, Source == Float)
  @specialized(where Scalar == Double, Source == Double)
  private func assign<Source: BLASScalar>(_ a: Matrix<Source>, shift: Scalar) {
    let (size, pitch, sourcePitch) = (size, pitch, a.columns)
    storage.withElements { u in
      a.elements.withElements { a in
        Threads.sharePanels(of: 0..<size, height: GramPanel.rows) { panel, _ in
          for i in panel {
            let (source, target) = (a.baseAddress! + i * sourcePitch, u.baseAddress! + i * pitch)
            for j in i..<size { target[j] = Scalar(source[j]) }
            target[i] += shift
          }
        }
      }
    }
  }

  /// Factorises the diagonal block `range` in place, by halves: A₁₁ = U₁ᵀU₁, B = U₁⁻ᵀA₁₂, then the factor of A₂₂ − BᵀB.
  private func factorize(_ range: Range<Int>) -> Bool {
    if range.isEmpty { return true }
    let ld = Int32(pitch)
    return storage.withElements { elements in
      func block(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Scalar> {
        elements.baseAddress! + row * pitch + column
      }
      let start = range.lowerBound
      if range.count <= Self.leaf {
        // OpenBLAS accepts NaN as a pivot.
        return Scalar.potrf(.upper, n: Int32(range.count), a: block(start, start), lda: ld) == 0
          && range.allSatisfy { block($0, $0).pointee > 0 }
      }
      let middle = start + (range.count / 2 + 15) / 16 * 16
      guard factorize(start..<middle) else { return false }
      let k = Int32(middle - start)
      // Each thread gets whole vectors of the kernels.
      Threads.parallel((range.upperBound - middle + 15) / 16, grain: 1) { part in
        let end = min(middle + 16 * part.upperBound, range.upperBound)
        substitute(start..<middle, middle + 16 * part.lowerBound..<end)
      }
      let rest = middle..<range.upperBound
      // Panels are low enough that no thread waits long for the last one.
      let height = max(16, min(GramPanel.rows, rest.count / (2 * Threads.available) / 16 * 16))
      Threads.sharePanels(of: rest, height: height) { panel, _ in
        let end = panel.upperBound
        if end < rest.upperBound {
          Scalar.gemm(
            .yes, .no, m: Int32(panel.count), n: Int32(rest.upperBound - end), k: k, alpha: -1,
            a: block(start, panel.lowerBound), lda: ld, b: block(start, end), ldb: ld, beta: 1,
            c: block(panel.lowerBound, end), ldc: ld)
        }
        Scalar.syrk(
          .upper, .yes, n: Int32(panel.count), k: k, alpha: -1, a: block(start, panel.lowerBound), lda: ld, beta: 1,
          c: block(panel.lowerBound, panel.lowerBound), ldc: ld)
      }
      return factorize(rest)
    }
  }

  /// B ← U⁻ᵀB, by halves, for the diagonal block U of `range` and the elements B to its right in `columns`.
  private func substitute(_ range: Range<Int>, _ columns: Range<Int>) {
    let ld = pitch
    storage.withElements { elements in
      func block(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Scalar> {
        elements.baseAddress! + row * ld + column
      }
      let start = range.lowerBound
      let target = block(start, columns.lowerBound)
      if range.count <= Self.leaf {
        return Scalar.substitute(block(start, start), ldu: ld, k: range.count, target, ldb: ld, n: columns.count)
      }
      let middle = start + (range.count / 2 + 15) / 16 * 16
      substitute(start..<middle, columns)
      Scalar.gemm(
        .yes, .no, m: Int32(range.upperBound - middle), n: Int32(columns.count), k: Int32(middle - start), alpha: -1,
        a: block(start, middle), lda: Int32(ld), b: target, ldb: Int32(ld), beta: 1,
        c: block(middle, columns.lowerBound), ldc: Int32(ld))
      substitute(middle..<range.upperBound, columns)
    }
  }
}
