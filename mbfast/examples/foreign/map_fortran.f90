! The field of all blocks at many targets, in Fortran: rows (3, m) of C are columns (m, 3) here.
function map_fortran(address, m, targets, n, positions, moments, c, out) result(root_mean_square) bind(c)
    use, intrinsic :: iso_c_binding, only: c_double, c_f_procpointer, c_funptr, c_int64_t
    implicit none
    type(c_funptr), value :: address
    integer(c_int64_t), value :: m, n
    real(c_double), intent(in) :: targets(m, 3), positions(n, 3), moments(n, 6), c(3)
    real(c_double), intent(out) :: out(m, 6)
    real(c_double) :: root_mean_square

    abstract interface  ! mbfast_stress_field of mbfast.h
        subroutine stress_field(m, targets, n, positions, moments, c0, c1, c2, out) bind(c)
            import :: c_double, c_int64_t
            integer(c_int64_t), value :: m, n
            real(c_double), intent(in) :: targets(m, 3), positions(n, 3), moments(n, 6)
            real(c_double), value :: c0, c1, c2
            real(c_double), intent(inout) :: out(m, 6)
        end subroutine stress_field
    end interface

    procedure(stress_field), pointer :: field

    call c_f_procpointer(address, field)
    out = 0.0_c_double
    call field(m, targets, n, positions, moments, c(1), c(2), c(3), out)
    root_mean_square = sqrt(sum(out(:, 1)**2) / real(m, c_double))
end function map_fortran
