import LinearAlgebra
import Networks

extension Metric {
  /// The moments of a layer as lower triangles, without scale and ε, and the factors of Â and Ŝ.
  struct Block {
    let connection: Connection
    let inputMoment, inputFactor: Matrix<Scalar>
    /// 0 × 0 where Ŝ is I.
    let gradientMoment, gradientFactor: Matrix<Scalar>
    /// Â⁻¹ and Ŝ⁻¹.
    let inputInverse, gradientInverse: Matrix<Scalar>

    /// The moments with their factors and inverses.
    var pairs: [(moment: Matrix<Scalar>, factor: Matrix<Scalar>, inverse: Matrix<Scalar>)] {
      [(inputMoment, inputFactor, inputInverse), (gradientMoment, gradientFactor, gradientInverse)]
        .filter { $0.0.rows > 0 }
    }

    /// X ← L_S⁻¹ X L_A⁻ᵀ
    func whiten(_ values: Matrix<Scalar>) {
      inputFactor.solveTriangular(.right, .yes, values)
      if gradientFactor.rows > 0 { gradientFactor.solveTriangular(.left, .no, values) }
    }

    /// X ← L_S⁻ᵀ X L_A⁻¹
    func unwhiten(_ values: Matrix<Scalar>) {
      inputFactor.solveTriangular(.right, .no, values)
      if gradientFactor.rows > 0 { gradientFactor.solveTriangular(.left, .yes, values) }
    }
  }
}

extension Matrix {
  /// self ← `moment`, scaled to a mean diagonal of `mean`; 0 for a moment of zeros.
  func assign(_ moment: Matrix, meanDiagonal mean: Double) {
    let trace = moment.trace
    guard trace > 0 else { return elements.fill(0) }
    let scale = Scalar(mean * (Double(rows) / trace))
    if scale.isFinite { return elements.combine(scale, moment.elements, 0) }
    // For moments of tiny errors the quotient overflows, where its root does not.
    let root = Scalar((mean * Double(rows)).squareRoot() / trace.squareRoot())
    elements.combine(root, moment.elements, 0)
    elements.scale(root)
  }
}
