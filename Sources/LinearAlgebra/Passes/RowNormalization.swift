// Threads share the rows, or the columns where sums go over the rows.

extension Matrix {
  /// Each row ← (x − mean)/σ of the same row of x, where σ² = variance + ε; `inverse` ← 1/σ, one per row.
  ///
  /// The variance is the biased one, from a second pass over the differences from the mean.
  package func assignNormalized(_ x: Matrix, epsilon: Double, inverse: Vector<Scalar>) {
    precondition(x.rows == rows && x.columns == columns && inverse.count == rows, "shapes differ")
    assert(elements.isDisjoint(from: x.elements, inverse) && inverse.isDisjoint(from: x.elements), overlap)
    elements.withElements { y in
      x.elements.withElements { x in
        inverse.withElements { inverse in
          forEachRun { start, count in
            Scalar.normalize(
              x.baseAddress! + start * columns, rows: count, columns: columns, epsilon: epsilon,
              into: y.baseAddress! + start * columns, inverse: inverse.baseAddress! + start)
          }
        }
      }
    }
  }

  /// Each row ← weight ∘ x + bias of the same row of x, which may be self.
  package func assignAffine(_ x: Matrix, weight: Vector<Scalar>, bias: Vector<Scalar>) {
    precondition(x.rows == rows && x.columns == columns, "shapes differ")
    precondition(weight.count == columns && bias.count == columns, "one weight and bias a column")
    assert(elements.isSame(as: x.elements) || elements.isDisjoint(from: x.elements), overlap)
    assert(elements.isDisjoint(from: weight, bias), overlap)
    elements.withElements { y in
      x.elements.withElements { x in
        weight.withElements { weight in
          bias.withElements { bias in
            forEachRun { start, count in
              Scalar.affine(
                x.baseAddress! + start * columns, rows: count, columns: columns, weight: weight.baseAddress!,
                bias: bias.baseAddress!, into: y.baseAddress! + start * columns)
            }
          }
        }
      }
    }
  }

  /// Each row ← itself + weight ∘ N dx, with the derivative of normalisation, N dx = (dx − mean(dx) − x̂ mean(x̂ ∘
  /// dx))/σ.
  ///
  /// `normal` is x̂ and `inverse` 1/σ, as `assignNormalized` leaves them.
  package func addNormalizedTangent(
    _ dx: Matrix, normal: Matrix, inverse: Vector<Scalar>, weight: Vector<Scalar>
  ) {
    withNormalized(dx, normal, inverse, weight) { dx, normal, inverse, weight, count, dy in
      Scalar.normalizeJVP(
        normal: normal, inverse: inverse, dx, weight: weight, rows: count, columns: columns, into: dy)
    }
  }

  /// Each row ← N(weight ∘ g) of the same row of g: the adjoint of `addNormalizedTangent`, as N is symmetric.
  package func assignNormalizedCotangent(
    _ g: Matrix, normal: Matrix, inverse: Vector<Scalar>, weight: Vector<Scalar>
  ) {
    withNormalized(g, normal, inverse, weight) { g, normal, inverse, weight, count, dx in
      Scalar.normalizeVJP(
        normal: normal, inverse: inverse, g, weight: weight, rows: count, columns: columns, into: dx)
    }
  }

  /// weight ← Σ x ∘ self and bias ← Σ self over the rows: the adjoint of `assignAffine` in its parameters.
  package func sumAffineCotangents(_ x: Matrix, weight: Vector<Scalar>, bias: Vector<Scalar>) {
    precondition(x.rows == rows && x.columns == columns, "shapes differ")
    precondition(weight.count == columns && bias.count == columns, "one weight and bias a column")
    assert(weight.isDisjoint(from: elements, x.elements, bias), overlap)
    assert(bias.isDisjoint(from: elements, x.elements), overlap)
    elements.withElements { g in
      x.elements.withElements { x in
        weight.withElements { weight in
          bias.withElements { bias in
            // Each column is summed by one thread in the order of the rows, for any number of threads.
            Threads.parallel(columns, grain: max(16, 1 << 15 / max(1, rows))) { range in
              let start = range.lowerBound
              Scalar.affineVJP(
                x.baseAddress! + start, g.baseAddress! + start, rows: rows, pitch: columns, columns: range.count,
                weight: weight.baseAddress! + start, bias: bias.baseAddress! + start)
            }
          }
        }
      }
    }
  }

  private func withNormalized(
    _ source: Matrix, _ normal: Matrix, _ inverse: Vector<Scalar>, _ weight: Vector<Scalar>,
    _ body: (
      UnsafePointer<Scalar>, UnsafePointer<Scalar>, UnsafePointer<Scalar>, UnsafePointer<Scalar>, Int,
      UnsafeMutablePointer<Scalar>
    ) -> Void
  ) {
    precondition(source.rows == rows && source.columns == columns, "shapes differ")
    precondition(normal.rows == rows && normal.columns == columns && inverse.count == rows, "shapes differ")
    precondition(weight.count == columns, "one weight a column")
    assert(elements.isDisjoint(from: source.elements, normal.elements, inverse, weight), overlap)
    elements.withElements { target in
      source.elements.withElements { source in
        normal.elements.withElements { normal in
          inverse.withElements { inverse in
            weight.withElements { weight in
              forEachRun { start, count in
                body(
                  source.baseAddress! + start * columns, normal.baseAddress! + start * columns,
                  inverse.baseAddress! + start, weight.baseAddress!, count,
                  target.baseAddress! + start * columns)
              }
            }
          }
        }
      }
    }
  }

  /// Calls `body` on all threads with the start and count of runs of rows.
  private func forEachRun(_ body: (Int, Int) -> Void) {
    Threads.parallel(rows, grain: max(1, 1 << 14 / max(1, columns))) { body($0.lowerBound, $0.count) }
  }
}
