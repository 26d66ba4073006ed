<?php

function wp_tempnam($name)
{
    return tempnam(sys_get_temp_dir(), $name);
}

function wp_delete_file($file)
{
    unlink($file);
}
